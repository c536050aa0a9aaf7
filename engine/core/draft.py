"""A life while it is changed: its moves, its launch, its end, its restart.

Used by `engine.core.turn` (what events mean) and `engine.core.adoption` (after a restart of the
engine); `engine.core.lifecycle` is the door to all of it.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from engine.core.backoff import spread
from engine.core.errors import TenError
from engine.core.life import (
    Command,
    Launch,
    Life,
    Policy,
    Process,
    Terminate,
    Then,
    Timer,
)
from engine.core.moves import MOVES
from engine.core.spec import Restart as RestartPolicy
from engine.core.wire import State, Why

RECENT_LIMIT = 1000
"""So many restart times are kept; a larger budget counts as no limit."""


_SETTLED_SECONDS = 10.0
"""The least time of health after which earlier restarts are forgotten, however small the window."""


class ImpossibleEvent(TenError):  # noqa: N818 - named by situation
    """An event that cannot follow from the commands given so far."""


class Draft:
    """A life on its way from one value to the next.

    Attributes:
        life: As it is now.
        acts: Commands that do not follow from the difference of the two lives.
    """

    def __init__(self, life: Life, now: float, policy: Policy) -> None:
        """Begin with the life as it is."""
        self.life = life
        self.acts: list[Command] = []
        self._now = now
        self._policy = policy

    def _put(self, state: State) -> None:
        """Correct the state of a stored life, whatever it was."""
        if state is not self.life.state:
            self._set(state=state, state_since=self._now, timers={})

    def _set(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Life, each its own type
        if any(getattr(self.life, name) != value for name, value in changes.items()):
            self.life = msgspec.structs.replace(self.life, **changes)

    def _move(self, state: State, **changes: Any) -> None:  # noqa: ANN401 - as above
        if state not in MOVES[self.life.state]:
            message = f"{self.life.name}: no move from {self.life.state.value} to {state.value}"
            raise ImpossibleEvent(message)
        self._settle()
        self._set(state=state, state_since=self._now, **changes)

    def _settle(self) -> None:
        """Forget earlier restarts once it was healthy for a whole window."""
        life, least = self.life, max(self._policy.window_seconds, _SETTLED_SECONDS)
        is_settled = self._now - life.state_since >= least
        if life.state is State.HEALTHY and is_settled:
            self._set(attempt=0)

    def _disarm(self, timer: Timer) -> None:
        self._set(timers={t: at for t, at in self.life.timers.items() if t is not timer})

    # --- the process ---

    def _gone(self, why: Why | None, *, is_clean: bool = False) -> None:
        """Go on without the process.

        Args:
            why: What ended it; None where we did.
            is_clean: It ended by itself and well.
        """
        then = self.life.then
        self._set(process=Process.NONE, pid=0, timers={}, then=Then.NOTHING, is_drained=False)
        match then:
            case Then.STOP:
                self._move(State.STOPPED, why=why, came_from=None)
            case Then.SLEEP:
                self._move(State.ASLEEP, why=why, came_from=None)
            case Then.START:
                self._launch()
            case Then.RETRY:
                self._fail(self.life.why or why)
            case Then.NOTHING:
                if is_clean and self._policy.restart is not RestartPolicy.ALWAYS:
                    self._move(State.STOPPED, why=why)
                else:
                    self._fail(why)
            case _:
                assert_never(then)

    def _fail(self, why: Why | None) -> None:
        """Restart by policy, within the budget, after the backoff."""
        self._settle()
        life, policy = self.life, self._policy
        recent = tuple(at for at in life.recent if at > self._now - policy.window_seconds)
        delay = policy.backoff.delay(life.attempt, spread(f"{life.name} {life.restarts}"))
        self._set(why=why, recent=recent, attempt=life.attempt + 1)
        is_spent = policy.max_restarts <= RECENT_LIMIT and len(recent) >= policy.max_restarts
        if policy.restart is RestartPolicy.NEVER or is_spent:
            self._move(State.FAILED, retry_at=self._now + delay)
            return
        self._set(recent=(*recent, self._now)[-RECENT_LIMIT:], restarts=life.restarts + 1)
        if delay > 0:
            self._move(State.BACKOFF, timers={Timer.BACKOFF: self._now + delay})
        else:
            self._launch()

    def _launch(self) -> None:
        self._move(
            State.STARTING,
            process=Process.LAUNCHING,
            failures=0,
            reason="",
            came_from=None,
            timers=self._startup_timer(),
        )
        self.acts.append(Launch())

    def _startup_timer(self) -> dict[Timer, float]:
        seconds = self._policy.startup_seconds
        return {Timer.STARTUP: self._now + seconds} if seconds > 0 else {}

    def _end_if_free(self) -> None:
        """Terminate once nothing is in the way: a request, a hold, a launch not yet answered."""
        life = self.life
        is_free = life.is_drained and not life.hold_until and not life.stands_still
        if life.process is Process.RUNNING and is_free:
            self._terminate()

    def _terminate(self) -> None:
        self._set(
            process=Process.ENDING, timers={Timer.GRACE: self._now + self._policy.grace_seconds}
        )
        self.acts.append(Terminate())
