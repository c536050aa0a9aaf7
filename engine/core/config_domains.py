"""Domains of services and instances: names of their own, besides those under the engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.names import is_domain, is_label

if TYPE_CHECKING:
    from engine.core.config_table import Source, Table
    from engine.core.toml_places import Path

_LEAST_LABELS = 2
"""Of a domain, and of what follows a wildcard: `*.com` would be everybody's."""


class Claims:
    """Who has which domain, so that nobody else gets it."""

    def __init__(self, source: Source) -> None:
        """Begin with none claimed."""
        self._source = source
        self._claimed: dict[str, tuple[str, Path]] = {}

    def claim(self, domain: str, owner: str, path: Path) -> None:
        """Note a domain for a service or an instance.

        Raises:
            SpecError: It is claimed already; both places are named.
        """
        if domain in self._claimed:
            other, there = self._claimed[domain]
            line = self._source.places.value(there).line
            self._source.fail(f"{domain} is a domain of {other} already: line {line}", path)
        self._claimed[domain] = owner, path


def read_domains(table: Table, name: str, claims: Claims) -> dict[str, str]:
    """Read `domains` of a service and of the instances it has a table for.

    Args:
        table: The service's.
        name: Of the service.
        claims: Those of other services.

    Returns: "service" or "service:id" by domain; "*." begins one that stands for a label.

    Raises:
        SpecError: One is no domain, or somebody else's.
    """
    found = dict.fromkeys(_domains(table, name, claims), name)
    for ident in (instances := table.table("instance")).names():
        if not is_label(ident):
            hint = "1 to 63 letters, digits, - and _, with a letter or digit at both ends"
            path = (*instances.path, ident)
            table.source.fail(f"invalid id {short(ident)!r}", path, is_value=False, hint=hint)
        own = instances.table(ident)
        target = f"{name}:{ident}"
        found |= dict.fromkeys(_domains(own, target, claims), target)
        own.finish()
    return found


def _domains(table: Table, owner: str, claims: Claims) -> list[str]:
    domains = []
    for index, text in enumerate(table.texts("domains") or ()):
        path = (*table.path, "domains", index)
        domain = text.lower().removesuffix(".")
        if fault := _fault(domain):
            table.source.fail(f"{short(text)!r} is no domain: {fault[0]}", path, hint=fault[1])
        claims.claim(domain, owner, path)
        domains.append(domain)
    return domains


def _fault(domain: str) -> tuple[str, str] | None:
    """Say what is wrong with it and what helps; None: nothing."""
    bare = domain.removeprefix("*.")
    labels = bare.split(".")
    if not bare.isascii():
        return "it has letters beyond ASCII", _in_ascii(bare)
    if "*" in bare:
        return "* stands for the first label only", 'write it as "*.example.com"'
    if ":" in bare or "/" in bare:
        return "it has more than a name", 'the name alone, as "app.example.com"'
    if labels[-1].isdigit():
        return "it is an address", "requests for an address go where [routing] says"
    if not is_domain(bare):
        return "labels are 1 to 63 letters, digits and -, 253 in all", ""
    if len(labels) < _LEAST_LABELS:
        return "it has one label only", 'as "app.example.com"'
    return None


def _in_ascii(domain: str) -> str:
    try:
        return f'write it as browsers send it: "{domain.encode("idna").decode()}"'
    except UnicodeError:
        return "write it as browsers send it, in ASCII"
