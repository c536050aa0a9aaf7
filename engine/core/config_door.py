"""The keys about the door: who may speak for others there, and what its clients may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import U32, short
from engine.core.doorwire import DoorLimits
from engine.core.limit_values import BadLimit, read_size
from engine.core.proxies import read_network

if TYPE_CHECKING:
    from engine.core.config_table import Table


_LEAST_HEAD_BYTES, _MOST_HEAD_BYTES = 1024, 1024 * 1024
_MOST_FIELDS = 10_000
_LEAST_SECONDS, _DAY_SECONDS = 0.1, 86_400.0
_HEAD_SIZE = 'a size, 1K to 1M: a number of bytes or such as "64K"'


def read_door_limits(table: Table) -> DoorLimits:
    """Read `[settings.door]`.

    Raises:
        SpecError: A limit is out of its range; in its place.
    """
    default = DoorLimits()
    limits = DoorLimits(
        head_seconds=_seconds(table, "head_timeout", default.head_seconds),
        idle_seconds=_seconds(table, "idle_timeout", default.idle_seconds),
        head_bytes=_head_size(table, default.head_bytes),
        head_fields=_head_fields(table, default.head_fields),
        slow_seconds=table.seconds("slow_timeout", default.slow_seconds, _DAY_SECONDS),
    )
    table.finish()
    return limits


def _seconds(table: Table, key: str, default: float) -> float:
    seconds = table.seconds(key, default, _DAY_SECONDS)
    if seconds < _LEAST_SECONDS:
        table.fail(key, f"invalid value: {seconds:g}, expected {_LEAST_SECONDS:g} seconds or more")
    return seconds


def _head_fields(table: Table, default: int) -> int:
    fields = table.count("head_fields", default, U32, minimum=1)
    if fields > _MOST_FIELDS:
        table.fail("head_fields", f"invalid value: {fields}, expected {_MOST_FIELDS} or less")
    return fields


def _head_size(table: Table, default: int) -> int:
    if "head_size" not in table:
        return default
    try:
        size = read_size(table.raw("head_size"), _HEAD_SIZE, minimum=_LEAST_HEAD_BYTES)
    except BadLimit as error:
        table.fail("head_size", str(error))
    if not _LEAST_HEAD_BYTES <= size <= _MOST_HEAD_BYTES:  # "max" is below all
        table.fail("head_size", f"head_size is too large: expected {_HEAD_SIZE}")
    return size


def read_trusted_proxies(table: Table) -> tuple[str, ...]:
    """Read `trusted_proxies`, an array of addresses and networks.

    Raises:
        SpecError: One is neither; in its place.
    """
    networks = []
    for index, text in enumerate(table.texts("trusted_proxies") or ()):
        path = (*table.path, "trusted_proxies", index)
        try:
            network = read_network(text)
        except ValueError as error:
            table.source.fail(f"{short(text)!r} is no network of proxies: {error}", path)
        if network.endswith("/0"):
            message = f"trusted_proxies has {network}: everybody may say to be anybody"
            table.source.warn(message, path, is_value=True)
        networks.append(network)
    return tuple(networks)


def read_proxy_protocol(table: Table) -> bool:
    """Read `proxy_protocol`, which is about those in `trusted_proxies`.

    Raises:
        SpecError: There are none.
    """
    is_spoken = table.flag("proxy_protocol", default=False)
    if is_spoken and not table.texts("trusted_proxies"):
        message = "proxy_protocol = true needs trusted_proxies: nobody else's header is believed"
        table.fail("proxy_protocol", message, hint='for example trusted_proxies = ["10.0.0.5"]')
    return is_spoken
