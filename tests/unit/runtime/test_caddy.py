"""A host's Caddy, and certificates that will not do."""

from pathlib import Path

import pytest

from engine.core.errors import FeatureMissing, Refused
from engine.core.spec import CertificateFiles, Config, Settings, TlsSpec
from engine.runtime import caddy
from engine.runtime.fronting import settle
from tests.certs import make_certificate


def program(folder: Path, version: str) -> str:
    path = folder / "caddy"
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("v2.11.7 h1:x", ""),
        ("2.6.2", "2.10 or newer is needed"),
        ("(devel)", "does not tell its version"),
    ],
)
def test_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, reason: str
) -> None:
    path = program(tmp_path, f'"{version}"')
    monkeypatch.setattr(caddy, "find", lambda: path)
    found, fix = caddy.why_missing()
    assert reason in found
    assert bool(found) is bool(fix) is bool(reason)


def test_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caddy, "find", lambda: "")
    with pytest.raises(FeatureMissing, match="caddy is not installed") as caught:
        settle(make_config(TlsSpec()), domain="x.org", bind="", email="", is_staging=False)
    assert 'pip install "ten-tui[tls]"' in caught.value.hint


def test_pairs(tmp_path: Path) -> None:
    a, b = (make_certificate(tmp_path, name, f"{name}.org") for name in "ab")
    good = CertificateFiles(cert=str(a[0]), key=str(a[1]))
    crossed = CertificateFiles(cert=str(a[0]), key=str(b[1]))
    gone = CertificateFiles(cert=str(a[0]), key=str(tmp_path / "none"))
    tls = TlsSpec(certificates=(good, crossed, gone))
    assert list(caddy.refused_certificates(tls)) == [
        (1, "key", f"{b[1]} does not go with {a[0]}: it is not the key of that certificate"),
        (2, "key", f"{tmp_path}/none: No such file or directory"),
    ]
    assert caddy.read_pems(TlsSpec(certificates=(good,))) == [(a[0].read_text(), a[1].read_text())]


def make_config(tls: TlsSpec) -> Config:
    return Config(path="/t.toml", settings=Settings(data_dir="/d", tls=tls))


@pytest.mark.parametrize("domain", ["localhost", "a.localhost", "intern"])
def test_no_public_ca_signs_for_a_local_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    path = program(tmp_path, "v2.11.7")
    monkeypatch.setattr(caddy, "find", lambda: path)
    how = {"domain": domain, "bind": "0.0.0.0", "is_staging": False}
    with pytest.raises(Refused, match="no public CA signs"):
        settle(make_config(TlsSpec()), email="", **how)
    with pytest.raises(Refused, match="no mail address"):
        settle(make_config(TlsSpec(internal=True)), email="x", **how)
    found = settle(make_config(TlsSpec(internal=True)), email="x@y.org", **how)
    assert (found.caddy, found.https_port, found.email) == (path, 443, "x@y.org")
