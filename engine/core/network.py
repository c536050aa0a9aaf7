"""What network an instance has."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

DEFAULT_PORT = 8080
"""Where a program listens in a network of its own, if its service names no other port."""


class Network(StrEnum):
    """HOST: the host's. PRIVATE: a loopback of its own. OUTBOUND: that, and a way out."""

    HOST = "host"
    PRIVATE = "private"
    OUTBOUND = "outbound"

    @property
    def is_own(self) -> bool:
        """Whether it is a network namespace: ports are the instance's, and so is 127.0.0.1."""
        return self is not Network.HOST


class Way(NamedTuple):
    """A network namespace made before the launch, with its way out.

    Attributes:
        netns: File of the namespace.
        resolv_conf: File to be seen as /etc/resolv.conf, "" where the host has none to be covered.
    """

    netns: str
    resolv_conf: str = ""
