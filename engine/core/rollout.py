"""A rollout: what it remembers, where it goes from here, and what is to be true meanwhile.

Values only. `tick` and `order` give the next state, `wanted` what the engine is to bring about.
The state is written down before it is acted on, and acting is bringing about what is wanted: so
an engine that was killed anywhere goes on from the same place. Times are wall clock, as a rollout
outlives the machine's boot.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

import msgspec
from msgspec import structs

from engine.core.errors import Refused
from engine.core.rollout_gate import Counters, fault_of, together
from engine.core.rollout_plan import Plan, Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
    """Where a rollout is. RETURNING: the way back waits for old instances to be up again."""

    STARTING = "starting"
    OBSERVING = "observing"
    PROMOTED = "promoted"
    CLOSING = "closing"
    RETURNING = "returning"
    ROLLING_BACK = "rolling back"
    DONE = "done"
    ROLLED_BACK = "rolled back"
    ABORTED = "aborted"
    FAILED = "failed"


OVER = frozenset({Phase.DONE, Phase.ROLLED_BACK, Phase.ABORTED, Phase.FAILED})
_FORWARD = frozenset({Phase.STARTING, Phase.OBSERVING, Phase.PROMOTED})
_BACKWARD = frozenset({Phase.RETURNING, Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.ABORTED})


class Order(StrEnum):
    """What a user may say."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"
    ROLLBACK = "rollback"
    UNDO = "undo"


class Member(msgspec.Struct, frozen=True):
    """An instance by id, with the weight it has when its side has all the traffic."""

    ident: str
    weight: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An instance now.

    Attributes:
        is_up: It takes requests, and runs what is recorded for it.
        is_asleep: A request would wake it.
        is_failed: It ended by itself.
        is_gone: It has no process and is to have none.
        text: Its state in words, with the reason.
    """

    is_up: bool = False
    is_asleep: bool = False
    is_failed: bool = False
    is_gone: bool = True
    text: str = "not there"
    counters: Counters = Counters()

    @property
    def can_serve(self) -> bool:
        """Whether a request sent to it is answered."""
        return self.is_up or self.is_asleep


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A version on its way to a service's traffic.

    Attributes:
        news, olds: The two sides; both have at least one member.
        startup_seconds: How long an instance may take to be healthy.
        step: The step that is started or observed, from 0.
        level: The step whose weights are in force; -1: those of before.
        since: When phase, step or pause last changed.
        marks: Counters when the weights were last moved, by id.
        reason: Why it does not go on, in words with figures.
        outcome: What it is once the way back is gone.
    """

    service: str
    plan: Plan
    news: tuple[Member, ...]
    olds: tuple[Member, ...]
    startup_seconds: float
    begun_at: float
    since: float
    actor: str = ""
    phase: Phase = Phase.STARTING
    step: int = 0
    level: int = -1
    is_paused: bool = False
    marks: dict[str, Counters] = {}
    reason: str = ""
    outcome: Phase = Phase.ROLLED_BACK

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be done for it any more."""
        return self.phase in OVER

    @property
    def steps(self) -> int:
        """How many steps it has."""
        match self.plan.strategy:
            case Strategy.CANARY:
                return len(self.plan.steps)
            case Strategy.ROLLING:
                return len(self.olds)
            case Strategy.BLUE_GREEN | None:
                return 1
            case _ as other:
                assert_never(other)

    def needed(self, step: int) -> tuple[str, ...]:
        """Name the new instances that a step's weights need."""
        is_rolling = self.plan.strategy is Strategy.ROLLING
        members = self.news[: step + 1] if is_rolling else self.news
        return tuple(each.ident for each in members)

    def weights(self, level: int) -> dict[str, int]:
        """Give the weights of a level, of all members."""
        old = {each.ident: each.weight for each in self.olds}
        new = {each.ident: each.weight for each in self.news}
        if level < 0:
            return old | dict.fromkeys(new, 0)
        match self.plan.strategy:
            case Strategy.CANARY:
                share = self.plan.steps[level]
                return split(old, 100 - share) | split(new, share)
            case Strategy.ROLLING:
                gone = {each.ident: 0 for each in self.olds[: level + 1]}
                coming = {each.ident: 0 for each in self.news[level + 1 :]}
                return old | gone | new | coming
            case Strategy.BLUE_GREEN | None:
                return dict.fromkeys(old, 0) | new
            case _ as other:
                assert_never(other)


def split(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """Share a total out by weights, in whole numbers that add up to it; the weights are not 0."""
    whole = sum(weights.values())
    shares = {name: total * weight // whole for name, weight in weights.items()}
    rest = total - sum(shares.values())
    for name in sorted(weights, key=lambda each: (-(total * weights[each] % whole), each))[:rest]:
        shares[name] += 1
    return shares


class Wanted(msgspec.Struct, frozen=True):
    """What is to be true: weights, which instances run, and which are drained and stopped."""

    weights: dict[str, int]
    run: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


def wanted(rollout: Rollout) -> Wanted | None:
    """Say what the engine is to bring about; None once the rollout is over."""
    news = tuple(each.ident for each in rollout.news)
    olds = tuple(each.ident for each in rollout.olds)
    weights = rollout.weights(rollout.level)
    match rollout.phase:
        case Phase.STARTING | Phase.OBSERVING | Phase.PROMOTED:
            is_rolling = rollout.plan.strategy is Strategy.ROLLING
            replaced = olds[: max(0, rollout.level)] if is_rolling else ()
            return Wanted(weights, rollout.needed(rollout.step), replaced)
        case Phase.CLOSING:
            return Wanted(weights, news, olds)
        case Phase.RETURNING:
            return Wanted(weights, olds)
        case Phase.ROLLING_BACK:
            return Wanted(rollout.weights(-1), olds, news)
        case Phase.DONE | Phase.ROLLED_BACK | Phase.ABORTED | Phase.FAILED:
            return None
        case _:
            assert_never(rollout.phase)


def tick(rollout: Rollout, seen: Mapping[str, Seen], now: float) -> Rollout:
    """Take what is seen, and give the rollout as it is from now on."""
    match rollout.phase:
        case Phase.STARTING:
            return _start(rollout, seen, now)
        case Phase.OBSERVING | Phase.PROMOTED:
            return _observe(rollout, seen, now)
        case Phase.RETURNING:
            return _return(rollout, seen, now)
        case Phase.CLOSING:
            is_done = all(_of(seen, each.ident).is_gone for each in rollout.olds)
            return structs.replace(rollout, phase=Phase.DONE, since=now) if is_done else rollout
        case Phase.ROLLING_BACK:
            is_done = all(_of(seen, each.ident).is_gone for each in rollout.news)
            end = rollout.outcome
            return structs.replace(rollout, phase=end, since=now) if is_done else rollout
        case Phase.DONE | Phase.ROLLED_BACK | Phase.ABORTED | Phase.FAILED:
            return rollout
        case _:
            assert_never(rollout.phase)


def order(
    rollout: Rollout, what: Order, seen: Mapping[str, Seen], now: float, actor: str
) -> Rollout:
    """Let a user say something.

    Raises:
        Refused: It makes no sense where the rollout is.
    """
    if what is Order.UNDO:
        return _again(rollout, now)
    if rollout.phase not in _FORWARD:
        message = f"the rollout of {rollout.service} is {rollout.phase.value}: no {what} any more"
        raise Refused(message, hint=f"ten rollout status {rollout.service}")
    match what:
        case Order.ABORT:
            return _back(rollout, f"aborted by {actor}", seen, now, Phase.ABORTED)
        case Order.ROLLBACK:
            return _back(rollout, f"rolled back by {actor}", seen, now)
        case Order.PROMOTE:
            return _promote(rollout, now)
        case Order.PAUSE | Order.RESUME:
            return _pause(rollout, what, now)
        case _:
            assert_never(what)


def _again(rollout: Rollout, now: float) -> Rollout:
    """Take a way back back: the step it was in begins anew.

    Whoever has the traffic keeps it until the new version is up again.
    """
    if rollout.phase not in _BACKWARD:
        message = f"the rollout of {rollout.service} was not taken back: nothing to undo"
        raise Refused(message, hint=f"ten rollout status {rollout.service}")
    level = rollout.level if rollout.phase is Phase.RETURNING else -1
    return structs.replace(
        rollout,
        phase=Phase.STARTING,
        level=level,
        since=now,
        reason="",
        outcome=Phase.ROLLED_BACK,
    )


def _pause(rollout: Rollout, what: Order, now: float) -> Rollout:
    is_pause = what is Order.PAUSE
    if rollout.phase is Phase.PROMOTED:
        message = f"the new version of {rollout.service} has all the traffic: no {what} any more"
        raise Refused(message, hint=f"ten rollback {rollout.service} goes back")
    if rollout.is_paused is is_pause:
        message = f"the rollout of {rollout.service} is {'' if is_pause else 'not '}paused"
        raise Refused(message, hint=f"ten rollout status {rollout.service}")
    return structs.replace(rollout, is_paused=is_pause, since=now)


def _promote(rollout: Rollout, now: float) -> Rollout:
    """Leave out the pauses; where there is only the window left, leave out that."""
    if rollout.phase is Phase.PROMOTED:
        return structs.replace(rollout, phase=Phase.CLOSING, since=now)
    if rollout.plan.strategy is Strategy.CANARY:
        last = rollout.steps - 1
        rollout = structs.replace(rollout, step=last, phase=Phase.STARTING)
    plan = structs.replace(rollout.plan, pause_seconds=0.0)
    return structs.replace(rollout, plan=plan, is_paused=False, since=now)


def _start(rollout: Rollout, seen: Mapping[str, Seen], now: float) -> Rollout:
    needed = rollout.needed(rollout.step)
    for ident in needed:
        one = _of(seen, ident)
        if one.is_failed:
            reason = f"{rollout.service}:{ident} does not come up: {one.text}"
            return _back(rollout, reason, seen, now)
    serving = () if rollout.level < 0 else rollout.needed(rollout.level)
    late = [
        ident
        for ident in needed
        if not (_of(seen, ident).is_up or (ident in serving and _of(seen, ident).can_serve))
    ]
    if not late:
        marks = {name: each.counters for name, each in seen.items()}
        return structs.replace(
            rollout, phase=Phase.OBSERVING, level=rollout.step, since=now, marks=marks
        )
    if now - rollout.since <= rollout.startup_seconds:
        return rollout
    text = _of(seen, late[0]).text
    reason = f"not healthy within {rollout.startup_seconds:g} s"
    return _back(rollout, f"{rollout.service}:{late[0]} was {reason}: {text}", seen, now)


def _observe(rollout: Rollout, seen: Mapping[str, Seen], now: float) -> Rollout:
    fault = judge(rollout, seen)
    if fault:
        return _back(rollout, fault, seen, now)
    if rollout.phase is Phase.PROMOTED:
        is_closed = now - rollout.since >= rollout.plan.window_seconds
        return structs.replace(rollout, phase=Phase.CLOSING, since=now) if is_closed else rollout
    if rollout.is_paused or now - rollout.since < rollout.plan.pause_seconds:
        return rollout
    if rollout.step + 1 >= rollout.steps:
        return structs.replace(rollout, phase=Phase.PROMOTED, since=now)
    following = structs.replace(rollout, phase=Phase.STARTING, step=rollout.step + 1, since=now)
    return _start(following, seen, now)


def judge(rollout: Rollout, seen: Mapping[str, Seen]) -> str:
    """Say what is wrong with the new version, "" where nothing is."""
    for ident in rollout.needed(rollout.level):
        one, name = _of(seen, ident), f"{rollout.service}:{ident}"
        if not one.can_serve:
            return f"{name} is {one.text}"
        restarts = one.counters.since(rollout.marks.get(ident, one.counters)).restarts
        if restarts:
            return f"{name} came up again {restarts} times by itself: {one.text}"
    new, old = figures(rollout, seen)
    fault = fault_of(rollout.plan, new, old)
    names = ", ".join(f"{rollout.service}:{each}" for each in rollout.needed(rollout.level))
    return f"{names}: {fault}" if fault else ""


def figures(rollout: Rollout, seen: Mapping[str, Seen]) -> tuple[Counters, Counters]:
    """Give the new version's traffic since the weights were moved, and what it is held against.

    That is the old version's in the same time or, where it has too little, all it ever had.
    """

    def since(ident: str) -> Counters:
        now = _of(seen, ident).counters
        return now.since(rollout.marks.get(ident, now))

    new = together(since(ident) for ident in rollout.needed(rollout.level))
    old = together(since(each.ident) for each in rollout.olds)
    if old.requests < rollout.plan.min_requests:
        old = together(_of(seen, each.ident).counters for each in rollout.olds)
    return new, old


def _back(
    rollout: Rollout,
    reason: str,
    seen: Mapping[str, Seen],
    now: float,
    outcome: Phase = Phase.ROLLED_BACK,
) -> Rollout:
    changed = structs.replace(
        rollout, phase=Phase.RETURNING, reason=reason, outcome=outcome, since=now, is_paused=False
    )
    return _return(changed, seen, now)


def _return(rollout: Rollout, seen: Mapping[str, Seen], now: float) -> Rollout:
    """Give the weights back once there is somebody to take them; never to nobody."""
    able = [_of(seen, each.ident).can_serve for each in rollout.olds]
    back = structs.replace(rollout, phase=Phase.ROLLING_BACK, since=now)
    if rollout.level < 0 or all(able):
        return back
    if now - rollout.since <= rollout.startup_seconds:
        return rollout
    if any(able):
        return back
    reason = f"{rollout.reason}; no old instance comes up, so traffic stays where it is"
    return structs.replace(rollout, phase=Phase.FAILED, reason=reason, since=now)


_ABSENT = Seen()


def _of(seen: Mapping[str, Seen], ident: str) -> Seen:
    return seen.get(ident, _ABSENT)
