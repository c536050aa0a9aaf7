"""What Caddy is told, and whom it may get a certificate for."""

import json

import pytest

from engine.core.caddy import (
    FrontOptions,
    caddy_config,
    may_have_certificate,
    merged,
    read_options,
)
from engine.core.caddyfile import caddyfile
from engine.core.doorwire import RouteInstance, RouteRules, RouteService, RouteState, RouteTable
from engine.core.spec import TlsSpec

OPTIONS = FrontOptions(caddy="/bin/caddy", uid=5, https_port=8443, http_port=8080)


def policy(tls: TlsSpec) -> dict:
    config = caddy_config(tls, [], port=9000)
    return config["apps"]["tls"]["automation"]


def test_the_command_line_adds_to_the_file() -> None:
    tls = TlsSpec(acme_email="a@x.org", https_port=1, internal=True)
    found = merged(tls, OPTIONS)
    assert (found.enabled, found.acme_email, found.https_port) == (True, "a@x.org", 8443)
    options = FrontOptions(
        caddy="c", uid=1, https_port=1, http_port=2, email="b@x.org", staging=True
    )
    assert (merged(tls, options).acme_email, merged(tls, options).staging) == ("b@x.org", True)


def test_options_of_no_tls() -> None:
    assert read_options("") is None


def test_issuers() -> None:
    public = policy(TlsSpec(acme_email="a@x.org", staging=True))
    assert public["policies"] == [
        {
            "issuers": [
                {
                    "module": "acme",
                    "email": "a@x.org",
                    "ca": "https://acme-staging-v02.api.letsencrypt.org/directory",
                }
            ],
            "on_demand": True,
        }
    ]
    assert policy(TlsSpec())["policies"][0]["issuers"] == [{"module": "acme"}]
    assert policy(TlsSpec(internal=True))["policies"][0]["issuers"] == [{"module": "internal"}]
    asked = policy(TlsSpec())["on_demand"]["permission"]["endpoint"]
    assert asked == "http://127.0.0.1:9000/api/tls/ask"


def test_nobody_is_asked_where_certificates_come_from_files() -> None:
    from engine.core.spec import CertificateFiles

    tls = TlsSpec(certificates=(CertificateFiles(cert="/c", key="/k"),))
    config = caddy_config(tls, [("CERT", "KEY")], port=9000)
    assert config["apps"]["tls"] == {
        "certificates": {"load_pem": [{"certificate": "CERT", "key": "KEY"}]}
    }


@pytest.mark.parametrize(("port", "where"), [(443, ""), (8443, ":8443")])
def test_redirect(port: int, where: str) -> None:
    text = json.dumps(caddy_config(TlsSpec(https_port=port), [], port=9000))
    assert f"https://{{http.request.host}}{where}{{http.request.uri}}" in text


TABLE = RouteTable(
    version=1,
    domain="example.com",
    services={"web": RouteService(instances={"a": RouteInstance(state=RouteState.STOPPED)})},
    routing=RouteRules(subdomain={"www": "web"}),
)


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("example.com", True),
        ("EXAMPLE.com", True),
        ("web.example.com", True),
        ("www.example.com", True),
        ("a.web.example.com", True),
        ("A.Web.Example.Com", True),
        ("b.web.example.com", False),
        ("nothing.example.com", False),
        ("x.a.web.example.com", False),
        ("example.org", False),
        ("", False),
        ("127.0.0.1", False),
        ("web.example.com.evil.org", False),
    ],
)
def test_certificates_only_for_what_is_there(host: str, is_known: bool) -> None:
    assert may_have_certificate(TABLE, host) is is_known


def test_caddyfile() -> None:
    text = caddyfile("example.com", 8080, services=())
    assert "ask http://127.0.0.1:8080/api/tls/ask" in text
    assert "https://example.com, https://*.example.com {" in text
    text = caddyfile("example.com", 8080, dns_provider="cloudflare", services=("web",))
    assert "example.com, *.example.com, *.web.example.com {" in text
    assert "dns cloudflare {env.CLOUDFLARE_API_TOKEN}" in text
