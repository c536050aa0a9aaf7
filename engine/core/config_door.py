"""The keys that are about who may speak for others at the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.proxies import read_network

if TYPE_CHECKING:
    from engine.core.config_table import Table


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
