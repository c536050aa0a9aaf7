"""A service's versions and its rollout, in the words and figures of the deploys pane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.core.latency import percentile
from engine.core.rollout_gate import P95, P95_REQUESTS, SLOWER_MS
from engine.core.wire import Desired, State
from ten_tui import format as fmt
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.rollout_gate import Counters
    from engine.core.wire import InstanceView
    from engine.core.wire_rollout import Comparison, RolloutView
    from ten_tui.store.view import View

MOST_ROWS = 50

NEWS_SECONDS = 3600.0
"""So long an instance's detail says that its rollout went back, and why."""

_DOWN = frozenset({State.STOPPED, State.FAILED})
_GOOD = frozenset({"promoted", "closing", "done"})
_WENT_BACK = frozenset({"returning", "rolling back", "rolled back", "aborted", "failed"})
_INKS = {
    "observing": Ink.INFO,
    "starting": Ink.BUSY,
    "paused": Ink.WARN,
    "promoted": Ink.OK,
    "closing": Ink.OK,
    "done": Ink.OK,
}


@dataclass
class Deploys:
    """What the pane has beside the engine's view.

    Attributes:
        compared: The two versions beside each other, as last asked for.
        own: Rollouts begun or steered from this console: service and when it began.
        rows_at: Names of the versions by the row of the pane they were last drawn at.
    """

    compared: Comparison | None = None
    own: set[tuple[str, float]] = field(default_factory=set)
    rows_at: dict[int, str] = field(default_factory=dict)


class Step(NamedTuple):
    """One station of a rollout: "done", "now", "next" or "failed"."""

    label: str
    place: str


class GateRow(NamedTuple):
    """A figure of the gate, new beside old beside what is allowed."""

    label: str
    new: str
    old: str
    limit: str
    is_good: bool = True


class VersionRow(NamedTuple):
    """An instance of the service, and its side in the rollout: "new", "old" or ""."""

    instance: InstanceView
    side: str
    share: float


def state_ink(rollout: RolloutView) -> Ink:
    """Give the ink of a rollout's state."""
    return _INKS.get(rollout.state, Ink.BAD if rollout.state == "failed" else Ink.WARN)


def service_of(view: View, key: str) -> str:
    """Name the service that is looked at: the cursor's, else one under rollout, else the first.

    Args:
        view: What there is.
        key: The table's cursor: "service:id", or "service:" for a whole service.
    """
    if key:
        return key.partition(":")[0]
    moving = [each.service for each in view.rollouts.values() if not each.is_over]
    return next(iter([*moving, *view.services]), "")


def versions(view: View, service: str) -> list[VersionRow]:
    """List a service's versions: those of its rollout first, then what has traffic, then the rest.

    At most `MOST_ROWS`.
    """
    rollout = view.rollouts.get(service)
    news = rollout.news if rollout else ()
    olds = rollout.olds if rollout else ()
    mine = [one for one in view.shown.values() if one.service == service]
    total = sum(map(_counted, mine))

    def key(one: InstanceView) -> tuple[bool, bool, bool, str]:
        return (one.name not in olds, one.name not in news, not _counted(one), one.name)

    return [
        VersionRow(
            one,
            "new" if one.name in news else "old" if one.name in olds else "",
            _counted(one) / total if total else 0.0,
        )
        for one in sorted(mine, key=key)[:MOST_ROWS]
    ]


def _counted(one: InstanceView) -> int:
    """Give the weight that counts: what is down gets nothing."""
    return 0 if one.desired is Desired.STOPPED or one.state in _DOWN else one.weight


def shares_after(rows: Iterable[VersionRow], name: str, text: str) -> dict[str, float]:
    """Give each version's share of the traffic once one has another weight; {} if it is none."""
    if not text.isdigit() or int(text) > 100:
        return {}
    weights = {
        row.instance.name: int(text) if row.instance.name == name else _counted(row.instance)
        for row in rows
    }
    total = sum(weights.values())
    return {one: weight / total if total else 0.0 for one, weight in weights.items()}


def steps(rollout: RolloutView) -> list[Step]:
    """Give the stations of a rollout, its window the last."""
    labels = [f"{share}%" for share in rollout.shares]
    if not labels:
        is_rolling = rollout.strategy == "rolling"
        labels = [str(n + 1) for n in range(rollout.steps)] if is_rolling else ["all"]
    stations = [*labels, "window", "done"]
    here = rollout.step - 1
    if rollout.state == "promoted":
        here = len(labels)
    elif rollout.state in {"closing", "done"}:
        here = len(labels) + 1
    failed = rollout.state in _WENT_BACK
    is_all_done = rollout.state == "done"
    return [
        Step(
            label,
            "done"
            if place < here or is_all_done
            else "next"
            if place > here
            else ("failed" if failed else "now"),
        )
        for place, label in enumerate(stations)
    ]


def outlook(rollout: RolloutView, now: float) -> str:
    """Say what comes next, and when."""
    left = fmt.long_duration(rollout.until - now) if rollout.until else ""
    news, olds = (fmt_names(names) for names in (rollout.news, rollout.olds))
    match rollout.state:
        case "starting":
            return f"waits until {news} is healthy"
        case "observing":
            is_last = rollout.step >= rollout.steps
            following = "its window opens" if is_last else f"step {rollout.step + 1}"
            return f"{following} in {left}" if rollout.until > now else "the gate is looked at"
        case "paused":
            return "stays here until it is resumed; the gate goes on"
        case "promoted":
            return f"{olds} stopped in {left}; until then back at once"
        case "closing":
            return f"{olds} drained and stopped"
        case "returning":
            return f"waits until {olds} can take the traffic back"
        case "rolling back":
            return f"{news} drained and stopped"
        case _:
            return f"for {fmt.long_duration(now - rollout.since)}" if rollout.since else ""


def fmt_names(names: tuple[str, ...]) -> str:
    """Name one, or the first and how many more."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else "nothing"


def gate(rollout: RolloutView) -> list[GateRow]:
    """Give the gate's figures of the step; none where it is not observed."""
    new, old = rollout.new, rollout.old
    if new is None or old is None:
        return []
    is_known = old.requests >= rollout.min_requests
    is_judged = new.requests >= rollout.min_requests
    allowed = rollout.max_errors + (old.error_share if is_known else 0.0)
    judged = f"judged from {rollout.min_requests}"
    return [
        GateRow("requests", fmt.count(new.requests), fmt.count(old.requests), judged, True),
        GateRow(
            "failed",
            f"{new.error_share:.2%}",
            f"{old.error_share:.2%}",
            f"{allowed:.2%}",
            not is_judged or new.error_share <= allowed,
        ),
        _slowness(rollout, new, old, is_compared=is_known and is_judged),
        GateRow("restarts", str(new.restarts), str(old.restarts), "0", not new.restarts),
    ]


def _slowness(rollout: RolloutView, new: Counters, old: Counters, *, is_compared: bool) -> GateRow:
    slow, before = (percentile(each.buckets, P95) if each.requests else 0.0 for each in (new, old))
    figures = fmt.millis(slow), fmt.millis(before)
    if not rollout.max_p95:
        return GateRow("p95", *figures, "none")
    if not is_compared or min(new.requests, old.requests) < P95_REQUESTS:
        return GateRow("p95", *figures, f"judged from {P95_REQUESTS}")
    limit = max(rollout.max_p95 * before, before + SLOWER_MS)
    return GateRow("p95", *figures, fmt.millis(limit), slow <= limit)


def place_of(rollout: RolloutView) -> str:
    """Say where it is: "canary, step 2 of 4, observing"."""
    is_on = rollout.state in {"starting", "observing", "paused"}
    step = f", step {rollout.step} of {rollout.steps}" if is_on else ""
    return f"{rollout.strategy}{step}, {rollout.state}"


def summary(view: View, name: str) -> str:
    """Say in a line what rollout an instance or a whole service ("api:") is in; "" if none."""
    service, _, ident = name.partition(":")
    rollout = view.rollouts.get(service)
    if rollout is None or view.then is not None:
        return ""
    is_old = view.now - rollout.since > NEWS_SECONDS
    if rollout.is_over and (is_old or rollout.state not in _WENT_BACK):
        return ""
    if ident and name not in (*rollout.news, *rollout.olds):
        return ""
    side = "the new side of " if name in rollout.news else ""
    text = f"{side}{place_of(rollout)}"
    if rollout.reason:
        return f"{text}: {rollout.reason}"
    return f"{text}; {outlook(rollout, view.now)}"


def lock_of(view: View, names: Iterable[str], own: set[tuple[str, float]]) -> str:
    """Say whose rollout acts on instances would get in the way of; "" for none or one's own."""
    for service in sorted({name.partition(":")[0] for name in names}):
        rollout = view.rollouts.get(service)
        if rollout is None or rollout.is_over or (service, rollout.begun_at) in own:
            continue
        who = rollout.actor or "somebody"
        return f"{who} is bringing {fmt_names(rollout.news)} to {service}: {place_of(rollout)}"
    return ""


def radius_of(view: View, rollout: RolloutView, order: str) -> str:
    """Say what an order moves and stops, before it does."""
    service = rollout.service
    rate = sum(view.sample(name).requests for name in (*rollout.news, *rollout.olds))
    traffic = f"{fmt.rate(rate)} req/s" if rate >= 0.1 else "the traffic"
    news, olds = (fmt_names(names) for names in (rollout.news, rollout.olds))
    match order:
        case "promote" if rollout.state == "promoted":
            return f"stops {olds} now: going back starts it again first"
        case "promote":
            return f"all of {service} ({traffic}) goes to {news} without further pauses"
        case "abort" | "rollback" if not rollout.is_over:
            return f"{traffic} of {service} goes back to {olds}; {news} is drained and stopped"
        case "rollback":
            return f"{olds} is started and gets {traffic} of {service}"
        case _:
            return ""
