"""Which state of an instance may follow which."""

from __future__ import annotations

from engine.core.wire import State

MOVES: dict[State, frozenset[State]] = {
    State.STARTING: frozenset(
        {
            State.STARTING,
            State.HEALTHY,
            State.UNHEALTHY,
            State.BACKOFF,
            State.FAILED,
            State.DRAINING,
            State.STOPPED,
        }
    ),
    State.HEALTHY: frozenset(
        {
            State.STARTING,
            State.DEGRADED,
            State.FROZEN,
            State.BACKOFF,
            State.FAILED,
            State.DRAINING,
            State.STOPPED,
        }
    ),
    State.DEGRADED: frozenset(
        {
            State.STARTING,
            State.HEALTHY,
            State.UNHEALTHY,
            State.BACKOFF,
            State.FAILED,
            State.DRAINING,
            State.STOPPED,
        }
    ),
    State.UNHEALTHY: frozenset({State.STARTING, State.BACKOFF, State.FAILED, State.DRAINING}),
    State.BACKOFF: frozenset({State.STARTING, State.STOPPED}),
    State.FAILED: frozenset({State.STARTING, State.STOPPED}),
    State.DRAINING: frozenset(
        {State.STARTING, State.HEALTHY, State.DEGRADED, State.STOPPED, State.ASLEEP}
    ),
    State.STOPPED: frozenset({State.STARTING}),
    State.ASLEEP: frozenset({State.STARTING, State.STOPPED}),
    State.FROZEN: frozenset(
        {
            State.STARTING,
            State.HEALTHY,
            State.BACKOFF,
            State.FAILED,
            State.DRAINING,
            State.STOPPED,
        }
    ),
}
"""Every move there is; each step is checked against it."""
