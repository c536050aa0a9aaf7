"""Names of services and instances, checked everywhere they come in."""

from __future__ import annotations

import re

from engine.core.errors import Refused

RESERVED_SERVICES = frozenset({"run", "logs", "secrets"})
"""Folders of the data directory; a service of that name would own them."""

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")


def is_label(text: str) -> bool:
    """Tell whether text may name a service or an id: 1 to 63 of A-Z a-z 0-9 _ -, no edge - or _."""
    return _LABEL.match(text) is not None


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
