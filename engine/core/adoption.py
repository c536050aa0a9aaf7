"""After a restart of the engine: a life from the database goes on."""

from __future__ import annotations

import msgspec

from engine.core.draft import Draft
from engine.core.life import (
    ROUTED,
    Exited,
    Life,
    Policy,
    Process,
    Terminate,
    Then,
    Timer,
    exit_why,
)
from engine.core.wire import Desired, State


class Adoption(Draft):
    """A stored life that is taken up again."""

    def resume(self) -> None:
        """Go on with a process that is there, in the state it was in."""
        life = self.life
        if life.process is Process.ENDING:
            grace = self._now + self._policy.grace_seconds
            self._set(timers={Timer.GRACE: life.timers.get(Timer.GRACE, grace)})
            self.acts.append(Terminate())
            return
        match life.state:
            case State.STARTING:
                self._set(timers=self._startup_timer() | self._kept(Timer.STARTUP))
            case State.UNHEALTHY:
                self._set(is_drained=True, timers={})
            case State.DRAINING:
                is_drained = life.is_drained or self._policy.drain_seconds <= 0
                drain = (
                    {}
                    if is_drained
                    else {Timer.DRAIN: self._now + self._policy.drain_seconds}
                    | self._kept(Timer.DRAIN)
                )
                self._set(is_drained=is_drained, timers=drain | self._kept(Timer.HOLD))
            case _:
                self._set(timers={})
        self._end_if_free()

    def _kept(self, timer: Timer) -> dict[Timer, float]:
        return {t: at for t, at in self.life.timers.items() if t is timer}

    def revive(self, *, is_fresh: bool) -> None:
        """Go on without a process: start what ought to run."""
        life = self.life
        is_asleep = life.state is State.ASLEEP or life.then is Then.SLEEP
        self._set(then=Then.NOTHING, came_from=None)
        if life.desired is Desired.STOPPED:
            self._put(State.STOPPED)
        elif is_asleep:
            self._put(State.ASLEEP)
        elif not is_fresh and life.state in {State.STOPPED, State.FAILED}:
            pass
        elif not is_fresh and life.state is State.BACKOFF:
            self._set(timers={Timer.BACKOFF: self._now} | self._kept(Timer.BACKOFF))
        elif not is_fresh and life.state in ROUTED | {State.UNHEALTHY, State.FROZEN}:
            self._fail(exit_why(Exited()))
        else:
            self._put(State.STOPPED)
            self._launch()


def take_up(
    life: Life, *, has_process: bool, is_fresh: bool, now: float, policy: Policy
) -> Adoption:
    """Take up a stored life; see `engine.core.lifecycle.adopt`."""
    if has_process:
        adoption = Adoption(_with_process(life, now), now, policy)
        adoption.resume()
    else:
        adoption = Adoption(_without_process(life, is_fresh=is_fresh), now, policy)
        adoption.revive(is_fresh=is_fresh)
    return adoption


def _with_process(life: Life, now: float) -> Life:
    """Make a stored life consistent with there being a process."""
    state, then = life.state, life.then
    if life.desired is Desired.STOPPED:
        state, then = State.DRAINING, Then.STOP
    elif state is State.FROZEN:
        # What was in flight when the engine ended is not known: it is not frozen yet.
        state = State.FROZEN if life.is_drained else State.HEALTHY
    elif state is State.DRAINING:
        then = then or Then.START
    elif state is State.UNHEALTHY:
        then = then or Then.RETRY
    elif state not in ROUTED:
        # It was launched after the state was last written.
        state, then = State.STARTING, Then.NOTHING
    is_ending = life.process is Process.ENDING and state in {State.DRAINING, State.UNHEALTHY}
    return msgspec.structs.replace(
        life,
        process=Process.ENDING if is_ending else Process.RUNNING,
        state=state,
        then=then,
        state_since=life.state_since if state is life.state else now,
    )


def _without_process(life: Life, *, is_fresh: bool) -> Life:
    """Make a stored life consistent with there being no process."""
    timers = {t: at for t, at in life.timers.items() if t is Timer.BACKOFF and not is_fresh}
    life = msgspec.structs.replace(
        life, process=Process.NONE, pid=0, timers=timers, is_drained=False
    )
    if is_fresh:
        life = msgspec.structs.replace(life, recent=(), attempt=0, failures=0, retry_at=0.0)
    return life
