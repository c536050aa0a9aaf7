"""What clients are told of a rollout."""

from __future__ import annotations

import msgspec

from engine.core.rollout import Phase, Rollout
from engine.core.rollout_gate import Counters  # noqa: TC001 - msgspec reads the annotation
from engine.core.rollout_plan import Strategy


class RolloutView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rollout, under way or the last one of its service.

    Attributes:
        state: A word of `engine.core.rollout.Phase`, or "paused".
        step, steps: From 1; a rollout that starts its first step has step 1.
        weights: What each instance of it is to have now.
        reason: Why it went back.
        actor: Who began it, or steered it last.
        since: Of the state; until: when the step or the window ends at the earliest, 0: unknown.
        new, old: Traffic in this step, where it is observed.
        is_over: Nothing follows by itself any more.
        shares: Percent of the traffic by step, of a canary.
        max_errors, max_p95: Limits of the gate, as `rollout_plan.Plan` has them.
    """

    service: str
    strategy: str
    state: str
    step: int
    steps: int
    news: tuple[str, ...]
    olds: tuple[str, ...]
    weights: dict[str, int]
    reason: str = ""
    actor: str = ""
    begun_at: float = 0.0
    since: float = 0.0
    until: float = 0.0
    min_requests: int = 0
    new: Counters | None = None
    old: Counters | None = None
    is_over: bool = False
    shares: tuple[int, ...] = ()
    max_errors: float = 0.0
    max_p95: float = 0.0


class RolloutChanged(msgspec.Struct, frozen=True, kw_only=True, tag="rollout"):
    """In the stream: a rollout began or moved, or there are new figures of its traffic."""

    rollout: RolloutView


class SettingDifference(msgspec.Struct, frozen=True, array_like=True):
    """A key of the recorded configuration that is not alike; "" where a side has none."""

    key: str
    old: str
    new: str


class LineDifference(msgspec.Struct, frozen=True, array_like=True):
    """How often lines of a kind came from either side, as `engine.core.templates` counts."""

    template: str
    old: int
    new: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions of a service beside each other.

    Attributes:
        old, new: Names of instances.
        settings: What differs of what they were deployed with.
        lines: Kinds of error lines, those that only the new one has first.
        is_recorded: What both were deployed with is known.
    """

    old: str
    new: str
    settings: tuple[SettingDifference, ...] = ()
    lines: tuple[LineDifference, ...] = ()
    is_recorded: bool = False


def view_of(
    rollout: Rollout, weights: dict[str, int], traffic: tuple[Counters, Counters] | None
) -> RolloutView:
    """Describe a rollout whose instances have these weights."""
    until = 0.0
    if rollout.phase is Phase.PROMOTED:
        until = rollout.since + rollout.plan.window_seconds
    elif rollout.phase is Phase.OBSERVING and not rollout.is_paused:
        until = rollout.since + rollout.plan.pause_seconds
    return RolloutView(
        service=rollout.service,
        strategy=rollout.plan.strategy or "",
        state="paused" if rollout.is_paused else rollout.phase.value,
        step=rollout.step + 1,
        steps=rollout.steps,
        news=tuple(f"{rollout.service}:{each.ident}" for each in rollout.news),
        olds=tuple(f"{rollout.service}:{each.ident}" for each in rollout.olds),
        weights=weights,
        reason=rollout.reason,
        actor=rollout.actor,
        begun_at=rollout.begun_at,
        since=rollout.since,
        until=until,
        min_requests=rollout.plan.min_requests,
        new=traffic[0] if traffic else None,
        old=traffic[1] if traffic else None,
        is_over=rollout.is_over,
        shares=rollout.plan.steps if rollout.plan.strategy is Strategy.CANARY else (),
        max_errors=rollout.plan.max_errors,
        max_p95=rollout.plan.max_p95,
    )
