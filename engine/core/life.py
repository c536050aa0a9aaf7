"""The words of an instance's life: what it remembers, what may happen, what is to be done.

`engine.core.lifecycle` decides with them; `engine.daemon.supervisor` carries the commands out.
All times are seconds of the monotonic clock, except fields named `time`: those are wall clock
and only shown.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.core.backoff import Backoff
from engine.core.spec import Restart as RestartPolicy
from engine.core.spec import ServiceSpec, Settings
from engine.core.wire import Desired, State, Why

CHECKS_UNTIL_UNHEALTHY = 3
"""Consecutive failed checks that make an instance unhealthy."""

ROUTED = frozenset({State.HEALTHY, State.DEGRADED})
"""States in which requests are sent to the instance."""


class Process(StrEnum):
    """How far the instance's process is. What a state alone does not tell."""

    NONE = "none"
    LAUNCHING = "launching"
    """Launch was commanded, its answer has not come."""
    RUNNING = "running"
    ENDING = "ending"
    """Terminate was commanded, the exit has not been seen."""


class Then(StrEnum):
    """What follows once the process that is being ended is gone."""

    NOTHING = ""
    STOP = "stop"
    SLEEP = "sleep"
    START = "start"
    """At once: the user's restart, or a request came while it fell asleep."""
    RETRY = "retry"
    """By restart policy, within the budget, after the backoff."""


class Timer(StrEnum):
    """Deadlines of an instance; at most one of each runs."""

    STARTUP = "startup"
    BACKOFF = "backoff"
    DRAIN = "drain"
    GRACE = "grace"
    HOLD = "hold"


class By(StrEnum):
    """Who wants an instance started."""

    USER = "user"
    REQUEST = "request"
    CONFIG = "config"


# --- what may happen ---


class Start(msgspec.Struct, frozen=True):
    """Somebody wants it running. A request's wish never overrules a stop that is under way."""

    by: By = By.USER


class Stop(msgspec.Struct, frozen=True):
    """The user wants it stopped.

    Attributes:
        hold_seconds: Keep the drained process that long, so that Undo can bring it back.
    """

    hold_seconds: float = 0.0


class Shutdown(msgspec.Struct, frozen=True):
    """The engine is going down for good: end the process, keep what the user desired."""


class Restart(msgspec.Struct, frozen=True):
    """The user wants it ended and started again; a stopped one is started."""


class Undo(msgspec.Struct, frozen=True):
    """Take the held stop back."""


class Launched(msgspec.Struct, frozen=True):
    """The answer to Launch: the process runs."""

    pid: int


class LaunchError(msgspec.Struct, frozen=True):
    """The answer to Launch: a step failed and no process is left."""

    why: Why


class Exited(msgspec.Struct, frozen=True):
    """The process is gone, all its children too.

    Attributes:
        code: Exit status, None where a signal ended it or nobody knows.
        signal: Name of the signal, for example "SIGSEGV"; "" if none.
        time: When, for the why card.
        why: The card, if the caller knows more (OOM kill, last lines of stderr).
    """

    code: int | None = None
    signal: str = ""
    time: float = 0.0
    why: Why | None = None


def exit_why(exited: Exited) -> Why:
    """Put an exit into words, where the caller has no better card."""
    if exited.why is not None:
        return exited.why
    if exited.signal:
        summary = f"killed by {exited.signal}"
    elif exited.code is not None:
        summary = f"exited with {exited.code}"
    else:
        summary = "ended while nobody looked; its exit status is not known"
    return Why(summary=summary, exit_code=exited.code, signal=exited.signal, since=exited.time)


class CheckPassed(msgspec.Struct, frozen=True):
    """The probe was answered well."""


class CheckFailed(msgspec.Struct, frozen=True):
    """The probe was not answered, or badly.

    Attributes:
        reason: For example "503 from /health".
    """

    reason: str
    time: float = 0.0


class TimerFired(msgspec.Struct, frozen=True):
    """A deadline has come. One that no longer counts does nothing."""

    timer: Timer
    time: float = 0.0


class Drained(msgspec.Struct, frozen=True):
    """No request is in flight any more."""


class Idle(msgspec.Struct, frozen=True):
    """No request for idle_timeout."""


class Quiet(msgspec.Struct, frozen=True):
    """No request for freeze_after."""


LifeEvent = (
    Start
    | Stop
    | Shutdown
    | Restart
    | Undo
    | Launched
    | LaunchError
    | Exited
    | CheckPassed
    | CheckFailed
    | TimerFired
    | Drained
    | Idle
    | Quiet
)


# --- what is to be done ---


class Launch(msgspec.Struct, frozen=True):
    """Start the process; answer with Launched or LaunchError, always."""


class Terminate(msgspec.Struct, frozen=True):
    """Send SIGTERM; the exit comes as Exited."""


class Kill(msgspec.Struct, frozen=True):
    """End the process and all its children, whatever they do."""


class Route(msgspec.Struct, frozen=True):
    """Put it into the rotation, or take it out."""

    is_open: bool


class AwaitDrain(msgspec.Struct, frozen=True):
    """Say Drained once no request is in flight (at once, if none is)."""


class ArmTimer(msgspec.Struct, frozen=True):
    """Say TimerFired at that time; replaces the timer of that name."""

    timer: Timer
    at: float


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget the timer; one that has just fired may be named too."""

    timer: Timer


class Watch(msgspec.Struct, frozen=True):
    """Begin to probe it; say CheckPassed or CheckFailed for each probe."""


class Unwatch(msgspec.Struct, frozen=True):
    """Probe no more; drop what is on its way."""


class Freeze(msgspec.Struct, frozen=True):
    """Stop its processes where they are, and give their memory back; twice is once."""


class Thaw(msgspec.Struct, frozen=True):
    """Let its processes go on; it may have none any more."""


Command = (
    Launch
    | Terminate
    | Kill
    | Route
    | AwaitDrain
    | ArmTimer
    | CancelTimer
    | Watch
    | Unwatch
    | Freeze
    | Thaw
)


# --- what is remembered ---


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about the life of a service's instances."""

    restart: RestartPolicy = RestartPolicy.ON_FAILURE
    max_restarts: int = 3
    window_seconds: float = 300.0
    backoff: Backoff = Backoff()
    startup_seconds: float = 10.0
    """0: as long as it takes."""
    drain_seconds: float = 5.0
    grace_seconds: float = 5.0

    @classmethod
    def of(cls, spec: ServiceSpec, settings: Settings) -> Policy:
        """Take from the configuration what the lifecycle needs."""
        return cls(
            restart=spec.restart,
            max_restarts=settings.max_restarts,
            window_seconds=settings.restart_window_seconds,
            backoff=Backoff(settings.backoff_base_ms / 1000, settings.backoff_max_ms / 1000),
            startup_seconds=spec.startup_timeout_seconds,
            drain_seconds=spec.drain_seconds,
            grace_seconds=spec.stop_grace_seconds,
        )


class Life(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One instance. A value: each step gives a new one. JSON by msgspec keeps all of it.

    Attributes:
        name: "service:id".
        state_since: When the state was entered.
        pid: Of the running process, 0 without one.
        restarts: Automatic restarts, ever.
        recent: Times of automatic restarts within the window.
        attempt: Automatic restarts since it was last well for a whole window (or the user
            started it): the exponent of the backoff.
        failures: Consecutive failed checks.
        reason: Of the last failed check while starting.
        why: Why it is not well; None while it is. `since` is 0 where the event had no time.
        is_wake: The present run was begun by a request.
        then: What follows the end of the process that is being ended.
        came_from: The state before DRAINING: where an undone stop leads back to.
        is_drained: Requests in flight are done, or their time is; a FROZEN one stands still from
            then on.
        retry_at: A failed one is not started by requests before.
        timers: The deadlines that run. Never changed in place.
    """

    name: str
    desired: Desired = Desired.RUNNING
    state: State = State.STOPPED
    state_since: float = 0.0
    process: Process = Process.NONE
    pid: int = 0
    restarts: int = 0
    recent: tuple[float, ...] = ()
    attempt: int = 0
    failures: int = 0
    reason: str = ""
    why: Why | None = None
    is_wake: bool = False
    then: Then = Then.NOTHING
    came_from: State | None = None
    is_drained: bool = False
    retry_at: float = 0.0
    timers: dict[Timer, float] = {}

    @property
    def is_held(self) -> bool:
        """Whether it is stopped but for its process, which an undo would bring back."""
        is_stop = self.state is State.DRAINING and self.then is Then.STOP
        return is_stop and self.is_drained and bool(self.hold_until)

    @property
    def hold_until(self) -> float:
        """When the stop can no longer be undone; 0 where there is none to undo."""
        return self.timers.get(Timer.HOLD, 0.0)

    @property
    def until(self) -> float:
        """When the state ends by itself at the latest; 0 if it does not."""
        if self.hold_until:
            return self.hold_until
        return max(self.timers.values(), default=0.0)

    @property
    def undo(self) -> str:
        """What Undo would take back: "stop" or ""."""
        return "stop" if self.hold_until else ""

    @property
    def is_watched(self) -> bool:
        """Whether it is probed."""
        return self.process is Process.RUNNING and (
            self.state is State.STARTING or self.state in ROUTED
        )

    @property
    def awaits_drain(self) -> bool:
        """Whether the end of its requests in flight is waited for."""
        return self.state in {State.DRAINING, State.FROZEN} and not self.is_drained

    @property
    def stands_still(self) -> bool:
        """Whether its processes are stopped by the freezer."""
        return self.state is State.FROZEN and self.is_drained
