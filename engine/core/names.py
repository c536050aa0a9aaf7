"""Names of services and instances, checked everywhere they come in."""

from __future__ import annotations

import re

from engine.core.errors import Refused

RESERVED_SERVICES = frozenset({"acme", "run", "logs", "secrets"})
"""Folders of the data directory; a service of that name would own them."""

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")
_DOMAIN_CHARS = 253
_DOMAIN_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def is_label(text: str) -> bool:
    """Tell whether text may name a service or an id: 1 to 63 of A-Z a-z 0-9 _ -, no edge - or _."""
    return _LABEL.match(text) is not None


def is_domain(name: str) -> bool:
    """Tell whether a name in small letters is a domain, of one label or more."""
    return len(name) <= _DOMAIN_CHARS and all(map(_DOMAIN_LABEL.match, name.split(".")))


def domain_name(text: str) -> str:
    """Give a domain as the door compares it: in small letters, without a dot at the end.

    Raises:
        ValueError: It is none: RFC 1123, section 2.1.
    """
    name = text.lower().removesuffix(".")
    if not is_domain(name):
        message = f"not a domain: {text!r}; it is the name that instances' addresses end in"
        raise ValueError(message)
    return name


def split_instance(text: str) -> tuple[str, str]:
    """Split "service:id" at the first colon.

    Raises:
        Refused: The text is not of that form, or a part is no valid label.
    """
    service, colon, ident = text.partition(":")
    if not colon or not is_label(service) or not is_label(ident):
        message = f"Invalid instance format '{text}'. Use 'process:id' (e.g., api:prod)"
        raise Refused(message)
    return service, ident


def instance_name(service: str, ident: str) -> str:
    """Join service and id: "api" and "alice" give "api:alice"."""
    return f"{service}:{ident}"
