"""What the Caddy in front is told: its configuration, and whom it may get a certificate for.

Caddy is started with listening sockets at fixed descriptors, so it needs no right to bind a port,
and connections wait in them while it is started anew. Source: Caddy's JSON structure,
"apps/http/servers/listen", networks `fd` and `fdgram`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.core.routing import Router, ToInstance, ToService

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.core.doorwire import RouteTable
    from engine.core.spec import TlsSpec

HTTPS_FD, HTTP_FD, QUIC_FD, LIFELINE_FD, STORAGE_FD = 3, 4, 5, 6, 7
"""Descriptors Caddy is started with; the storage folder by its descriptor, as the folders above
it are not for Caddy's user."""

ASK_PATH = "/api/tls/ask"

ADMIN_SOCKET = "admin.sock"
"""Relative: Caddy runs in the folder it is in."""

STAGING_CA = "https://acme-staging-v02.api.letsencrypt.org/directory"

_STREAM_DELAY = "24h"
"""How long a WebSocket goes on that was begun under a configuration replaced since."""

_LOG_MB = 5


class FrontOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `ten serve` has settled about Caddy; the same for keeper, engine and Caddy's starter.

    Attributes:
        caddy: Path of the program.
        uid: Who it runs as where the keeper is root.
        bind: Address of its sockets.
        email, staging: From the command line; they add to the file's.
    """

    caddy: str
    uid: int
    https_port: int
    http_port: int
    bind: str = "0.0.0.0"  # noqa: S104 - the peer's default
    email: str = ""
    staging: bool = False


def read_options(text: str) -> FrontOptions | None:
    """Read the options as `ten serve` has written them; "" where there is no TLS."""
    return msgspec.json.decode(text, type=FrontOptions) if text else None


def merged(tls: TlsSpec, options: FrontOptions) -> TlsSpec:
    """Give the table as it is in force: the command line wins, and ports stay as they are."""
    return msgspec.structs.replace(
        tls,
        enabled=True,
        acme_email=options.email or tls.acme_email,
        staging=options.staging or tls.staging,
        https_port=options.https_port,
        http_port=options.http_port,
    )


def caddy_config(tls: TlsSpec, pems: Sequence[tuple[str, str]], *, port: int) -> dict[str, Any]:
    """Write Caddy's configuration.

    Args:
        tls: The table as it is in force.
        pems: Certificate and key of each of its files: Caddy's user may not read those.
        port: Of the doors, on 127.0.0.1.
    """
    file_log = {
        "output": "file",
        "filename": "caddy.log",
        "roll_size_mb": _LOG_MB,
        "roll_keep": 1,
    }
    return {
        "admin": {"listen": f"unix/{ADMIN_SOCKET}|0600", "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN", "writer": file_log}}},
        "storage": {"module": "file_system", "root": f"/proc/self/fd/{STORAGE_FD}"},
        "apps": {
            "http": {
                "https_port": tls.https_port,
                "http_port": tls.http_port,
                "servers": {"https": _https(tls, port), "http": _http(tls)},
            },
            "tls": _tls(tls, pems, port),
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
        },
    }


def _https(tls: TlsSpec, port: int) -> dict[str, Any]:
    offer = {"Alt-Svc": [f'h3=":{tls.https_port}"; ma=2592000']}
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"}],
        "flush_interval": -1,
        "stream_close_delay": _STREAM_DELAY,
    }
    return {
        "listen": [f"fd/{HTTPS_FD}", f"fdgram/{QUIC_FD}"],
        "listen_protocols": [["h1", "h2"], ["h3"]],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "routes": [{"handle": [{"handler": "headers", "response": {"set": offer}}, proxy]}],
    }


def _http(tls: TlsSpec) -> dict[str, Any]:
    """Send everybody to HTTPS, by 308 as the peer does; ACME's challenges Caddy answers first."""
    where = "" if tls.https_port == 443 else f":{tls.https_port}"
    location = f"https://{{http.request.host}}{where}{{http.request.uri}}"
    answer = {
        "handler": "static_response",
        "status_code": 308,
        "headers": {"Location": [location]},
    }
    return {
        "listen": [f"fd/{HTTP_FD}"],
        "listen_protocols": [["h1"]],
        "automatic_https": {"disable": True},
        "routes": [{"handle": [answer]}],
    }


def _tls(tls: TlsSpec, pems: Sequence[tuple[str, str]], port: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if pems:
        loaded = [{"certificate": cert, "key": key} for cert, key in pems]
        found["certificates"] = {"load_pem": loaded}
    if tls.internal or tls.is_public:
        ask = {"module": "http", "endpoint": f"http://127.0.0.1:{port}{ASK_PATH}"}
        found["automation"] = {
            "policies": [{"issuers": [_issuer(tls)], "on_demand": True}],
            "on_demand": {"permission": ask},
        }
    return found


def _issuer(tls: TlsSpec) -> dict[str, Any]:
    if tls.internal:
        return {"module": "internal"}
    issuer = {"module": "acme"}
    if tls.acme_email:
        issuer["email"] = tls.acme_email
    if tls.staging:
        issuer["ca"] = STAGING_CA
    return issuer


def may_have_certificate(table: RouteTable, host: str) -> bool:
    """Tell whether a certificate may be asked for: for nobody who is not served already.

    Not for ids nobody has seen, even where a request would start such an instance: certificates
    are few at a public CA, and names are invented faster.
    """
    name = host.lower()
    if name == table.domain.lower():
        return True
    route = Router(table).by_host(name)
    match route:
        case ToService():
            return True
        case ToInstance(service, ident):
            return ident in table.services[service].instances
        case _:
            return False
