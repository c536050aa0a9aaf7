"""Conversations with the lifecycle: `>>` what happens, `<<` what is commanded."""

from __future__ import annotations

from typing import Self

from engine.core.life import CHECKS_UNTIL_UNHEALTHY
from engine.core.lifecycle import (
    ArmTimer,
    CancelTimer,
    CheckFailed,
    CheckPassed,
    Command,
    Drained,
    Exited,
    Idle,
    Launched,
    Life,
    LifeEvent,
    Policy,
    Quiet,
    Route,
    Start,
    State,
    Stop,
    Timer,
    step,
)

OPEN = Route(is_open=True)
SHUT = Route(is_open=False)


class Playbook:
    """Plays events against a life and compares the commands.

    An event's commands must be stated by the next `<<` (nothing stated: no commands), and
    `done()` must be called last, so that no answer goes unread.
    """

    def __init__(self, life: Life | None = None, *, now: float = 100.0, **policy: object) -> None:
        self.policy = Policy(**policy)  # type: ignore[arg-type]
        self.life = life or Life(name="api:alice")
        self.now = now
        self._unread: tuple[Command, ...] = ()
        self._trail: list[str] = []

    def __rshift__(self, event: LifeEvent) -> Self:
        self._read_all()
        before = self.life
        self.life, self._unread = step(self.life, event, self.now, self.policy)
        self._trail.append(f"{before.state} >> {event} << {self._unread} -> {self.life.state}")
        return self

    def __lshift__(self, commands: Command | tuple[Command, ...]) -> Self:
        expected = commands if isinstance(commands, tuple) else (commands,)
        assert self._unread == expected, "\n".join(self._trail)
        self._unread = ()
        return self

    def at(self, now: float) -> Self:
        """Let it be that time, in seconds after the start at 100."""
        self.now = 100.0 + now
        return self

    def skim(self) -> Self:
        """Leave the commands unread: another test states them."""
        self._unread = ()
        return self

    def done(self, state: State) -> Life:
        """End in that state with nothing unread."""
        self._read_all()
        assert self.life.state is state, "\n".join(self._trail)
        return self.life

    def _read_all(self) -> None:
        assert self._unread == (), "unread: " + "\n".join(self._trail)


STARTUP = CancelTimer(Timer.STARTUP)


def arm(timer: Timer, after: float) -> ArmTimer:
    return ArmTimer(timer, 100.0 + after)


def launching(**policy: object) -> Playbook:
    return (Playbook(**policy) >> Start()).skim()


def starting(**policy: object) -> Playbook:
    return (launching(**policy) >> Launched(7)).skim()


def healthy(**policy: object) -> Playbook:
    return (starting(**policy) >> CheckPassed()).skim()


def degraded(**policy: object) -> Playbook:
    return (healthy(**policy) >> CheckFailed("503 from /health")).skim()


def unhealthy(**policy: object) -> Playbook:
    play = degraded(**policy)
    for _ in range(CHECKS_UNTIL_UNHEALTHY - 1):
        (play >> CheckFailed("503 from /health")).skim()
    return play


def failed(**policy: object) -> Playbook:
    return (healthy(max_restarts=0, **policy) >> Exited(1)).skim()


def backing_off(**policy: object) -> Playbook:
    """Crash twice: the second restart waits a second."""
    play = (healthy(**policy) >> Exited(1)).skim()
    return (((play >> Launched(8)).skim()) >> Exited(1)).skim()


def draining(**policy: object) -> Playbook:
    return (healthy(**policy) >> Stop()).skim()


def held(**policy: object) -> Playbook:
    return (healthy(**policy) >> Stop(hold_seconds=10)).skim()


def ending(**policy: object) -> Playbook:
    return (draining(**policy) >> Drained()).skim()


def stopped(**policy: object) -> Playbook:
    return (ending(**policy) >> Exited(0)).skim()


def falling_asleep(**policy: object) -> Playbook:
    return (healthy(**policy) >> Idle()).skim()


def asleep(**policy: object) -> Playbook:
    play = (falling_asleep(**policy) >> Drained()).skim()
    return (play >> Exited(0)).skim()


def freezing(**policy: object) -> Playbook:
    return (healthy(**policy) >> Quiet()).skim()


def frozen(**policy: object) -> Playbook:
    return (freezing(**policy) >> Drained()).skim()
