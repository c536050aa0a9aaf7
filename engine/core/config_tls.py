"""The `[settings.tls]` table: HTTPS by a Caddy in front of the doors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.core.config_service import resolve
from engine.core.config_table import U16, short
from engine.core.spec import CertificateFiles, TlsSpec

if TYPE_CHECKING:
    from engine.core.config_table import Table

_EMAIL = re.compile(r"[^@\s\"<>,;]{1,64}@[^@\s\"<>,;.][^@\s\"<>,;]{0,250}")
"""Enough to catch a slip: whether mail arrives is not ours to find out."""


def is_email(text: str) -> bool:
    """Tell whether a text has the form of one mail address."""
    return _EMAIL.fullmatch(text) is not None


def read_tls(table: Table, folder: str, data_dir: str) -> TlsSpec:
    """Read the table.

    Raises:
        SpecError: A value is refused; with its place.
    """
    named = table.text("cache_dir", "{data_dir}/acme").replace("{data_dir}", data_dir)
    tls = TlsSpec(
        enabled=table.flag("enabled", default=False),
        acme_email=_read_email(table),
        domain=table.line("domain"),
        cache_dir=resolve(folder, named),
        staging=table.flag("staging", default=False),
        https_port=table.count("https_port", 443, U16, minimum=1),
        http_port=table.count("http_port", 80, U16, minimum=1),
        dns_provider=table.line("dns_provider"),
        internal=table.flag("internal", default=False),
        certificates=_read_certificates(table, folder),
    )
    if tls.https_port == tls.http_port:
        key = "http_port" if "http_port" in table else "https_port"
        table.fail(key, f"https_port and http_port are both {tls.https_port}")
    if tls.internal and tls.staging:
        hint = "leave staging out, or internal"
        table.fail("staging", "staging is a public CA's; internal = true asks none", hint=hint)
    if tls.dns_provider:
        table.warn("dns_provider", "dns_provider is not used: each host has its own certificate")
    table.finish()
    return tls


def _read_email(table: Table) -> str:
    text = table.line("acme_email")
    if text and not is_email(text):
        table.fail("acme_email", f"{short(text)!r} is no mail address", hint="name@example.com")
    return text


def _read_certificates(table: Table, folder: str) -> tuple[CertificateFiles, ...]:
    """Read `certificates`, an array of tables with `cert` and `key`."""
    found = []
    for entry in table.tables("certificates"):
        files = CertificateFiles(
            cert=resolve(folder, entry.required("cert")), key=resolve(folder, entry.required("key"))
        )
        entry.finish()
        found.append(files)
    return tuple(found)
