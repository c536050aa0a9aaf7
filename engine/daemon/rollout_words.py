"""A rollout's changes in plain words, for the log of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.rollout import Phase

if TYPE_CHECKING:
    from engine.core.rollout import Rollout

LEVELS = {
    Phase.RETURNING: "warning",
    Phase.ROLLING_BACK: "warning",
    Phase.ROLLED_BACK: "warning",
    Phase.FAILED: "error",
}


def sentence(old: Rollout | None, new: Rollout) -> str:
    """Say what a change means; "" where it means nothing to a reader."""
    names = ", ".join(f"{new.service}:{each.ident}" for each in new.news)
    if old is None:
        before = ", ".join(f"{new.service}:{each.ident}" for each in new.olds)
        return f"rollout of {names} beside {before} begins ({new.plan.strategy}), by {new.actor}"
    if old.is_paused is not new.is_paused and new.phase is old.phase:
        return f"rollout of {names} {'is paused' if new.is_paused else 'goes on'}"
    if (old.phase, old.step) == (new.phase, new.step):
        return ""
    match new.phase:
        case Phase.STARTING if old.phase not in {Phase.STARTING, Phase.OBSERVING}:
            return f"rollout of {names} begins anew: its way back is undone by {new.actor}"
        case Phase.OBSERVING:
            weights = ", ".join(f"{name} {share}" for name, share in _moved(new))
            return f"rollout of {names}: step {new.step + 1} of {new.steps}, weights {weights}"
        case Phase.PROMOTED:
            return (
                f"{names} has all the traffic; what it replaced is kept for"
                f" {new.plan.window_seconds:g} s: ten rollback {new.service} goes back at once"
            )
        case Phase.RETURNING | Phase.ROLLING_BACK if old.phase is not Phase.RETURNING:
            return f"rollout of {names} goes back: {new.reason}"
        case _:
            return _end(new, names)


def _end(new: Rollout, names: str) -> str:
    match new.phase:
        case Phase.DONE:
            return f"rollout of {names} is done: what it replaced is stopped"
        case Phase.ROLLED_BACK | Phase.ABORTED:
            return f"rollout of {names} is {new.phase.value}: {new.reason}"
        case Phase.FAILED:
            return f"rollout of {names} failed: {new.reason}"
        case _:
            return ""


def _moved(rollout: Rollout) -> list[tuple[str, int]]:
    return sorted(rollout.weights(rollout.level).items())
