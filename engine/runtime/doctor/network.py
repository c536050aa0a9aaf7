"""What instances with a network of their own need."""

from __future__ import annotations

import os
import shutil
import socket

from engine.kernel.features import setting
from engine.runtime.doctor.scope import Said, Scope, no, partly, yes

_NETLINK_NETFILTER = 12


def private(scope: Scope) -> Said:
    """A network namespace with a loopback and nothing else."""
    number = scope.tries.get("net")
    if number == 0:
        return yes("tried")
    if number is None:
        return no("it could not be tried")
    return no(os.strerror(number), "sysctl user.max_net_namespaces; needs root or user namespaces")


def nftables(_: Scope) -> Said:
    """The packet filter that a way out goes through."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER).close()
    except OSError as error:
        return no(f"the kernel has no nf_tables: {error.strerror}", "modprobe nf_tables")
    if shutil.which("nft") is None:
        return partly("the nft program is not installed", "apt-get install nftables")
    return yes(shutil.which("nft") or "")


def forwarding(_: Scope) -> Said:
    """Packets passed on from one interface to another."""
    if setting("net.ipv4.ip_forward") == "1":
        return yes("net.ipv4.ip_forward is 1")
    return no("net.ipv4.ip_forward is 0", "sysctl -w net.ipv4.ip_forward=1")
