"""What is said of an instance's changes: the end of its process, and each new state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from engine.core import gvisor, keeperwire, life
from engine.core.wire import Desired, State

if TYPE_CHECKING:
    from engine.core.oom import OomKill
    from engine.daemon.instance import Instance

LEVELS = {
    State.DEGRADED: "warning",
    State.UNHEALTHY: "error",
    State.BACKOFF: "warning",
    State.FAILED: "error",
}
"""Of the events that tell of a state; "info" for all others."""

_WOKEN = frozenset({State.STOPPED, State.ASLEEP, State.FROZEN, State.DRAINING})


def exited(
    status: int | None,
    at: float,
    tail: tuple[str, ...],
    oom: OomKill | None = None,
    *,
    is_sandbox: bool = False,
) -> life.Exited:
    """Put the end of a process into the lifecycle's words; `oom`: kills seen just before."""
    code, signal = keeperwire.exit_parts(status)
    plain = life.exit_why(life.Exited(code=code, signal=signal, time=at))
    why = msgspec.structs.replace(plain, stderr_tail=tail)
    if is_sandbox and code and (summary := gvisor.exit_summary(code)):
        why = msgspec.structs.replace(why, summary=summary)
    # A shell whose last command was killed says so by its status.
    is_killed = signal == "SIGKILL" or code == 128 + 9 or (code is None and not signal)
    if oom is not None and is_killed:
        why = msgspec.structs.replace(why, summary=oom.summary())
    return life.Exited(code=code, signal=signal, time=at, why=why)


def sentence(instance: Instance, before: life.Life) -> str:
    """Say what a change of state means."""
    new, why, old = instance.life, instance.life.why, before.state
    reason = f": {why.summary}" if why is not None else ""
    match new.state:
        case State.STARTING | State.HEALTHY | State.DEGRADED if new.is_wake and old in _WOKEN:
            is_stopped = before.desired is Desired.STOPPED
            advice = ' (with wake = "never" it stays stopped)' if is_stopped else ""
            return f"{instance.name} is woken by a request{advice}"
        case State.STARTING:
            again = "starts again" if old is not State.STOPPED and why else "is starting"
            return f"{instance.name} {again}{reason}"
        case State.BACKOFF:
            seconds = max(0.0, new.until - time.monotonic())
            return f"{instance.name} starts again in {seconds:.1f} s{reason}"
        case State.DRAINING:
            return f"{instance.name} finishes its requests"
        case State.HEALTHY if old is State.FROZEN:
            return f"{instance.name} is thawed"
        case _:
            return f"{instance.name} is {new.state.value}{reason}"
