"""How a version is rolled out: the strategy, its steps and pauses, and the limits of its gate."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_STEPS = 50
MAX_SECONDS = 7 * 86_400.0
MAX_RATIO = 1000.0
MAX_REQUESTS = 1_000_000

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


class Strategy(StrEnum):
    """How traffic goes over."""

    BLUE_GREEN = "blue-green"
    ROLLING = "rolling"
    CANARY = "canary"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`[service.NAME.deploy]`, and what a command says over it.

    Attributes:
        strategy: None: `ten deploy` only starts the version and weighs it.
        steps: Of a canary: percent of the traffic, rising, the last 100.
        pause_seconds: How long each step is observed at least.
        window_seconds: How long the old version is kept once the new has all the traffic.
        max_errors: By how much (0 to 1) the new version's share of errors may pass the old's.
        max_p95: How many times the old version's p95 the new one's may be; 0: not looked at.
        min_requests: With fewer requests in a step, figures of its traffic are not judged.
    """

    strategy: Strategy | None = None
    steps: tuple[int, ...] = (5, 25, 50, 100)
    pause_seconds: float = 30.0
    window_seconds: float = 600.0
    max_errors: float = 0.01
    max_p95: float = 1.5
    min_requests: int = 20


class BadPlan(ValueError):  # noqa: N818 - named by situation
    """A value is none that a plan can have.

    Attributes:
        key: Which.
    """

    def __init__(self, key: str, message: str) -> None:
        """Keep the key apart."""
        super().__init__(message)
        self.key = key


def with_values(plan: Plan, values: Mapping[str, object]) -> Plan:
    """Give a plan with some of its values said otherwise.

    Args:
        plan: What holds where nothing is said.
        values: By key, as TOML and command lines write them: `steps = "5,25,100"` or
            `[5, 25, 100]`, `pause = "30s"` or 30, `max_errors = "1%"`, `max_p95 = "1.5x"`.

    Raises:
        BadPlan: A key or a value is none.
    """
    fields: dict[str, object] = {}
    for key, value in values.items():
        if key not in READERS:
            raise BadPlan(key, f"unknown key {key}; there are {', '.join(READERS)}")
        field, read = READERS[key]
        fields[field] = read(key, value)
    return msgspec.structs.replace(plan, **fields)


def _read_strategy(key: str, value: object) -> Strategy:
    try:
        return Strategy(str(value))
    except ValueError:
        names = ", ".join(Strategy)
        raise BadPlan(key, f"unknown strategy {str(value)[:40]!r}; there are {names}") from None


def _read_steps(key: str, value: object) -> tuple[int, ...]:
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    message = "steps are whole percentages, rising, from 1 to 100, the last 100: 5,25,50,100"
    texts = [str(part).strip().removesuffix("%") for part in parts]
    if not 0 < len(texts) <= MAX_STEPS or not all(re.fullmatch(r"[0-9]{1,3}", t) for t in texts):
        raise BadPlan(key, message)
    steps = tuple(int(text) for text in texts)
    is_rising = all(one < other for one, other in pairwise(steps))
    if not is_rising or steps[0] < 1 or steps[-1] != 100:
        raise BadPlan(key, message)
    return steps


def _read_seconds(key: str, value: object) -> float:
    found = _TIME.fullmatch(_text(value))
    seconds = float(found[1]) * _UNITS[found[2]] if found else math.inf
    if not seconds <= MAX_SECONDS:
        raise BadPlan(key, f"{key} is a time of at most 7 days: 30s, 10m, 1h, or seconds")
    return seconds


def _read_share(key: str, value: object) -> float:
    text = _text(value)
    number = text.removesuffix("%").strip()
    share = float(number) if _NUMBER.fullmatch(number) else math.inf
    share = share / 100 if text.endswith("%") else share
    if not share <= 1:
        raise BadPlan(key, f"{key} is a share of requests: 1%, or 0.01")
    return share


def _read_ratio(key: str, value: object) -> float:
    number = _text(value).removesuffix("x").strip()
    ratio = float(number) if _NUMBER.fullmatch(number) else math.inf
    if not (ratio == 0 or 1 <= ratio <= MAX_RATIO):
        raise BadPlan(key, f"{key} is a ratio of 1 or more, or 0 for none: 1.5x")
    return ratio


def _read_count(key: str, value: object) -> int:
    text = _text(value)
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MAX_REQUESTS:
        raise BadPlan(key, f"{key} is a number of requests from 1 to {MAX_REQUESTS}")
    return int(text)


def _text(value: object) -> str:
    return "" if isinstance(value, bool) else str(value).strip()


READERS: dict[str, tuple[str, Callable[[str, object], object]]] = {
    "strategy": ("strategy", _read_strategy),
    "steps": ("steps", _read_steps),
    "pause": ("pause_seconds", _read_seconds),
    "window": ("window_seconds", _read_seconds),
    "max_errors": ("max_errors", _read_share),
    "max_p95": ("max_p95", _read_ratio),
    "min_requests": ("min_requests", _read_count),
}
"""Each key with the field it is about and what reads it."""
