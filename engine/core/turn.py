"""One step of a life: what each event means in each state.

Used by `engine.core.lifecycle`, which is the door to it.
"""

from __future__ import annotations

from typing import assert_never

from engine.core.draft import Draft, ImpossibleEvent
from engine.core.life import (
    CHECKS_UNTIL_UNHEALTHY,
    ROUTED,
    ArmTimer,
    By,
    CheckFailed,
    CheckPassed,
    Drained,
    Exited,
    Idle,
    Kill,
    Launched,
    LaunchError,
    LifeEvent,
    Process,
    Quiet,
    Restart,
    Shutdown,
    Start,
    Stop,
    Then,
    Timer,
    TimerFired,
    Undo,
    exit_why,
)
from engine.core.wire import Desired, State, Why

FREEZE_SECONDS = 5.0
"""One whose doors do not say within this that nothing is in flight is not frozen after all."""

KILL_AGAIN_SECONDS = 1.0
"""Kill is repeated until the exit is seen: no stop can stick."""

_EARLY_SECONDS = 0.05
"""A timer may fire this much early (a loop's clock is coarse) and still counts."""


class Turn(Draft):
    """A life to which something happens."""

    def take(self, event: LifeEvent) -> None:
        """Let the event happen."""
        match event:
            case Start() | Stop() | Shutdown() | Restart() | Undo() | Idle() | Quiet():
                self._wish(event)
            case Launched() | LaunchError() | Exited():
                self._process_event(event)
            case CheckPassed() | CheckFailed() | Drained() | TimerFired():
                self._observation(event)
            case _:
                assert_never(event)

    # --- what somebody wants ---

    def _wish(self, event: Start | Stop | Shutdown | Restart | Undo | Idle | Quiet) -> None:
        match event:
            case Start(by=by):
                self._start(by)
            case Stop(hold_seconds=hold_seconds):
                self._stop(hold_seconds)
            case Shutdown():
                self._shut_down()
            case Restart():
                self._restart()
            case Undo():
                if self.life.hold_until:
                    self._reopen()
            case Idle() | Quiet():
                self._rest(event)
            case _:
                assert_never(event)

    def _rest(self, event: Idle | Quiet) -> None:
        if isinstance(event, Idle):
            if self.life.state in ROUTED | {State.FROZEN}:
                self._drain(Then.SLEEP)
        elif self.life.state is State.HEALTHY:
            timers = {Timer.DRAIN: self._now + FREEZE_SECONDS}
            self._move(State.FROZEN, is_drained=False, timers=timers)

    def _start(self, by: By) -> None:
        is_request = by is By.REQUEST
        match self.life.state:
            case State.STOPPED | State.ASLEEP:
                self._begin(is_wake=is_request)
            case State.FAILED if not is_request or self._now >= self.life.retry_at:
                self._begin(is_wake=is_request)
            case State.BACKOFF if not is_request:
                self._begin(is_wake=False)
            case State.FROZEN:
                self._thaw(is_wake=is_request)
            case State.DRAINING:
                self._start_draining(is_request=is_request)
            case State.UNHEALTHY if not is_request:
                self._forgive()
                self._set(then=Then.START, is_wake=False)
            case _:
                pass

    def _start_draining(self, *, is_request: bool) -> None:
        """Turn round, unless it is the user's stop and only a request wants otherwise.

        One that is held counts as stopped: a request wakes it as any other.
        """
        then, is_held = self.life.then, self.life.is_held
        if then is Then.START or (then is Then.STOP and is_request and not is_held):
            return
        if self.life.process is Process.ENDING:
            self._set(then=Then.START, desired=Desired.RUNNING, is_wake=is_request)
        else:
            self._set(is_wake=is_request)
            self._reopen()

    def _begin(self, *, is_wake: bool) -> None:
        """Launch because somebody wants it; a request does not renew the restart budget."""
        if not is_wake:
            self._forgive()
        self._set(desired=Desired.RUNNING, is_wake=is_wake)
        self._launch()

    def _thaw(self, *, is_wake: bool) -> None:
        self._move(State.HEALTHY, is_wake=is_wake, is_drained=False, timers={})

    def _forgive(self) -> None:
        self._set(desired=Desired.RUNNING, recent=(), attempt=0, failures=0, retry_at=0.0, why=None)

    def _reopen(self) -> None:
        """Bring a drained process back to what it was before; its readiness was proven there."""
        state = self.life.came_from or State.STARTING
        self._move(
            state,
            desired=Desired.RUNNING,
            then=Then.NOTHING,
            came_from=None,
            is_drained=False,
            timers=self._startup_timer() if state is State.STARTING else {},
        )

    def _stop(self, hold_seconds: float) -> None:
        match self.life.state:
            case State.STOPPED:
                self._set(desired=Desired.STOPPED)
            case State.BACKOFF | State.FAILED | State.ASLEEP:
                self._move(State.STOPPED, desired=Desired.STOPPED, timers={}, why=None)
            case State.DRAINING if self.life.then is Then.STOP and self.life.hold_until:
                if hold_seconds <= 0:
                    self._release()
            case _:
                self._set(desired=Desired.STOPPED)
                self._drain(Then.STOP, hold_seconds)

    def _shut_down(self) -> None:
        match self.life.state:
            case State.BACKOFF:
                self._move(State.STOPPED, timers={})
            case State.DRAINING:
                if self.life.then is Then.START:
                    self._set(then=Then.STOP)
                self._release()
            case State.STOPPED | State.ASLEEP | State.FAILED:
                pass
            case _:
                self._drain(Then.STOP)

    def _restart(self) -> None:
        if self.life.process is Process.NONE:
            self._begin(is_wake=False)
            return
        self._forgive()
        self._set(is_wake=False)
        self._drain(Then.START)

    # --- the way down ---

    def _drain(self, then: Then, hold_seconds: float = 0.0) -> None:
        """Take it off the route, let requests in flight end, hold it, then end it.

        One that is on its way down already goes on from where it is.
        """
        life, timers = self.life, dict[Timer, float]()
        if life.state in {State.DRAINING, State.UNHEALTHY}:
            timers = {t: at for t, at in life.timers.items() if t is not Timer.HOLD}
            came_from, is_drained = life.came_from, life.is_drained
        else:
            came_from = State.HEALTHY if life.state is State.FROZEN else life.state
            is_quiet = life.state not in ROUTED and not life.awaits_drain
            is_drained = is_quiet or self._policy.drain_seconds <= 0
            if not is_drained:
                timers[Timer.DRAIN] = self._now + self._policy.drain_seconds
        if hold_seconds > 0 and life.process is not Process.ENDING:
            timers[Timer.HOLD] = self._now + hold_seconds
        changes = {
            "then": then,
            "came_from": came_from,
            "is_drained": is_drained,
            "timers": timers,
        }
        if life.state is State.DRAINING:
            self._set(**changes)
        else:
            self._move(State.DRAINING, **changes)
        self._end_if_free()

    def _release(self) -> None:
        """Hold it no longer."""
        self._disarm(Timer.HOLD)
        self._end_if_free()

    def _mark_drained(self) -> None:
        self._set(is_drained=True)
        self._disarm(Timer.DRAIN)
        self._end_if_free()

    def _give_up(self, why: Why) -> None:
        """End a process that is not well; nothing is drained, it answers badly anyway."""
        self._move(State.UNHEALTHY, then=Then.RETRY, why=why, is_drained=True, timers={})
        self._end_if_free()

    # --- the process ---

    def _process_event(self, event: Launched | LaunchError | Exited) -> None:
        process = self.life.process
        if not isinstance(event, Exited) and process is not Process.LAUNCHING:
            message = (
                f"{self.life.name}: {type(event).__name__} came while the process was "
                f"{process.value} and the state {self.life.state.value}"
            )
            raise ImpossibleEvent(message)
        match event:
            case Launched(pid=pid):
                self._set(process=Process.RUNNING, pid=pid)
                self._end_if_free()
            case LaunchError(why=why):
                self._gone(why)
            case Exited():
                self._exit(event)
            case _:
                assert_never(event)

    def _exit(self, event: Exited) -> None:
        match self.life.process:
            case Process.NONE:
                pass  # Told twice: exits are repeated until they are acknowledged.
            case Process.ENDING:
                self._gone(None)
            case Process.LAUNCHING | Process.RUNNING:
                self._gone(exit_why(event), is_clean=event.code == 0 and not event.signal)
            case _:
                assert_never(self.life.process)

    # --- what is seen ---

    def _observation(self, event: CheckPassed | CheckFailed | Drained | TimerFired) -> None:
        match event:
            case CheckPassed():
                if self.life.is_watched and self.life.state is not State.HEALTHY:
                    self._move(State.HEALTHY, failures=0, reason="", why=None, timers={})
            case CheckFailed():
                if self.life.is_watched:
                    self._check_failed(event)
            case Drained():
                if self.life.awaits_drain:
                    self._mark_drained()
            case TimerFired():
                self._timer(event)
            case _:
                assert_never(event)

    def _check_failed(self, event: CheckFailed) -> None:
        if self.life.state is State.STARTING:
            self._set(reason=event.reason)
            return
        failures = self.life.failures + 1
        why = Why(summary=f"health check: {event.reason}", since=event.time)
        if self.life.state is State.HEALTHY:
            self._move(State.DEGRADED, failures=failures, why=why)
        elif failures < CHECKS_UNTIL_UNHEALTHY:
            self._set(failures=failures, why=why)
        else:
            self._give_up(why)

    def _timer(self, event: TimerFired) -> None:
        at = self.life.timers.get(event.timer)
        if at is None:
            return
        if self._now < at - _EARLY_SECONDS:
            self.acts.append(ArmTimer(event.timer, at))
            return
        match event.timer:
            case Timer.STARTUP:
                seconds = f"not ready within {self._policy.startup_seconds:g} s"
                summary = f"{seconds}: {self.life.reason}" if self.life.reason else seconds
                self._give_up(Why(summary=summary, since=event.time))
            case Timer.BACKOFF:
                self._launch()
            case Timer.DRAIN if self.life.state is State.FROZEN:
                self._thaw(is_wake=False)
            case Timer.DRAIN:
                self._mark_drained()
            case Timer.HOLD:
                self._release()
            case Timer.GRACE:
                self._set(timers={Timer.GRACE: self._now + KILL_AGAIN_SECONDS})
                self.acts.append(Kill())
            case _:
                assert_never(event.timer)
