"""Rollouts of the fake engine: one canary under way, and what orders make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from engine.core import latency
from engine.core.errors import NotFound, Refused
from engine.core.rollout_gate import Counters
from engine.core.rollout_plan import Plan, Strategy
from engine.core.wire_rollout import Comparison, LineDifference, RolloutView, SettingDifference
from tests.tui.demo import T0

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.tui.fake import FakeEngine


def counters(requests: int, errors: int, ms: float) -> Counters:
    buckets = latency.empty()
    buckets[latency.bucket_of(ms)] = requests
    return Counters(requests=requests, errors=errors, buckets=tuple(buckets))


def canary(**more: object) -> RolloutView:
    """A canary at a quarter of the traffic, its new side a bit worse."""
    fields: dict[str, object] = {
        "service": "api",
        "strategy": "canary",
        "state": "observing",
        "step": 2,
        "steps": 4,
        "shares": (5, 25, 50, 100),
        "news": ("api:carol",),
        "olds": ("api:alice", "api:bob"),
        "weights": {"api:alice": 50, "api:bob": 25, "api:carol": 25},
        "actor": "root",
        "begun_at": T0 - 95,
        "since": T0 - 37,
        "until": T0 + 23,
        "min_requests": 20,
        "max_errors": 0.01,
        "max_p95": 1.5,
        "new": counters(412, 3, 18.0),
        "old": counters(1205, 4, 14.0),
    }
    return RolloutView(**{**fields, **more})  # type: ignore[arg-type]


COMPARISON = Comparison(
    old="api:alice",
    new="api:carol",
    is_recorded=True,
    settings=(
        SettingDifference("command", "./api-v42 --port {port}", "./api-v43 --port {port}"),
        SettingDifference("env.POOL", "", "20"),
    ),
    lines=(
        LineDifference("ERROR no such column: customer_ref (attempt # of #)", 0, 17),
        LineDifference("ERROR upstream payment refused: connection reset by peer", 4, 9),
        LineDifference("WARN  slow query #: select * from orders", 31, 28),
    ),
)


def answer(engine: FakeEngine, method: str, path: str, body: object) -> object:
    """Answer what is asked below /api/rollouts."""
    parts = urlsplit(path).path.split("/")[3:]
    if not parts:
        return _begun(engine, msgspec.to_builtins(body))
    service, *rest = parts
    if rest == ["difference"]:
        engine.asked.append(("difference", path))
        return COMPARISON
    if rest == ["plan"]:
        return Plan(strategy=Strategy.CANARY)
    if service not in engine.rollouts:
        raise NotFound(f"{service} has had no rollout")
    if method == "GET":
        return engine.rollouts[service]
    engine.calls.append((rest[0], service))
    if engine.is_read_only:
        raise Refused("this credential may only look")
    return _ordered(engine, service, rest[0])


def _begun(engine: FakeEngine, body: Mapping[str, str]) -> RolloutView:
    service, version = body["service"], body["version"]
    said = {key: value for key, value in body.items() if key not in {"service", "version"}}
    engine.calls.append(("rollout", f"{service}:{version}", said))
    engine.rollouts[service] = canary(state="starting", step=1, news=(f"{service}:{version}",))
    return engine.roll(service, begun_at=T0, new=None, old=None)


def _ordered(engine: FakeEngine, service: str, order: str) -> RolloutView:
    now = engine.rollouts[service]
    match order:
        case "pause":
            return engine.roll(service, state="paused", until=0.0)
        case "resume" | "undo":
            return engine.roll(service, state="observing", until=T0 + 60, reason="")
        case "promote" if now.state == "promoted":
            return engine.roll(service, state="closing", until=0.0)
        case "promote":
            return engine.roll(service, state="promoted", step=4, until=T0 + 600)
        case "rollback" if now.state == "done":
            return engine.roll(
                service, state="starting", news=now.olds, olds=now.news, begun_at=T0, is_over=False
            )
        case _:
            reason = f"{'aborted' if order == 'abort' else 'rolled back'} by root"
            return engine.roll(service, state="rolling back", reason=reason, until=0.0)
