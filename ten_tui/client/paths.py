"""The paths of the engine's API, with what is in them quoted."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def quoted(name: str) -> str:
    """Quote an instance's name; its colon may stay."""
    return quote(name, safe=":")


def instance_path(name: str, what: str = "") -> str:
    """Give the path of an instance, or of something of it."""
    return f"/api/instances/{quoted(name)}" + (f"/{what}" if what else "")


def kept_path(name: str) -> str:
    """Give the path of what is kept of an instance, of a service ("api:"), or of "host"."""
    if name.endswith(":"):
        return f"/api/services/{quote(name[:-1], safe='')}/metrics"
    return "/api/host/metrics" if name == "host" else instance_path(name, "metrics")


def limits_path(name: str) -> str:
    """Give the path of an instance's limits."""
    return f"/api/v1/instances/{quoted(name)}/limits"


def query_of(**values: object) -> str:
    """Write a query; what is None or "" is left out."""
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    return f"?{urlencode(given)}" if given else ""
