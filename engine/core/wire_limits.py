"""The limits of one instance as they go over the API: `/api/v1/instances/NAME/limits`."""

from __future__ import annotations

import msgspec


class LimitView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit.

    Attributes:
        value: As a user writes it, "256M".
        origin: Who said so: "default", "config" or "set".
        kernel: What its file in the cgroup says now, "" where it does not run or has none.
    """

    key: str
    value: str
    origin: str = "default"
    kernel: str = ""


class LimitsView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All limits of one instance.

    Attributes:
        notes: What is to be known about a change just made, one line each.
    """

    name: str
    limits: tuple[LimitView, ...]
    notes: tuple[str, ...] = ()
