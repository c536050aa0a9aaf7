"""The Caddyfile that `ten caddy` prints, for a Caddy that somebody else runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.caddy import ASK_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence


def caddyfile(domain: str, port: int, *, dns_provider: str = "", services: Sequence[str]) -> str:
    """Write it: the domain and its hosts to the doors on this host.

    Args:
        domain: Served by `ten serve -d`.
        port: Of the doors.
        dns_provider: Plug-in of Caddy's that answers the DNS challenge: then wildcard
            certificates are asked for, those of the services' hosts too; else each host gets one
            of its own with its first visitor, if the engine knows it.
        services: Their names.
    """
    doors = f"\treverse_proxy 127.0.0.1:{port} {{\n\t\tflush_interval -1\n\t}}\n"
    if dns_provider:
        hosts = [domain, f"*.{domain}", *(f"*.{name}.{domain}" for name in services)]
        secret = f"{{env.{dns_provider.upper()}_API_TOKEN}}"
        tls = f"\ttls {{\n\t\tdns {dns_provider} {secret}\n\t}}\n"
        return f"{', '.join(hosts)} {{\n{tls}{doors}}}\n"
    ask = f"{{\n\ton_demand_tls {{\n\t\task http://127.0.0.1:{port}{ASK_PATH}\n\t}}\n}}\n"
    hosts = [f"https://{domain}", f"https://*.{domain}"]
    hosts += [f"https://*.{name}.{domain}" for name in services]
    return f"{ask}\n{', '.join(hosts)} {{\n\ttls {{\n\t\ton_demand\n\t}}\n{doors}}}\n"
