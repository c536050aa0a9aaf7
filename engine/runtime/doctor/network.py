"""What instances with a network of their own need."""

from __future__ import annotations

import os
import socket

from engine.core.network import Network
from engine.kernel import nftables as packet_filter
from engine.kernel.features import setting
from engine.runtime.doctor.scope import Said, Scope, no, partly, yes
from engine.runtime.outbound import why_no_outbound

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
    program = packet_filter.find()
    if not program:
        return partly("the nft program is not installed", "apt-get install nftables")
    return yes(program)


def outbound(scope: Scope) -> Said:
    """A network namespace with a way out: a pair of interfaces and the packet filter, tried."""
    asked = scope.asking("network", lambda spec: spec.network is Network.OUTBOUND)
    why, fix = why_no_outbound()
    if why:
        return no(why, fix, needed_by=asked)
    is_router = setting("net.ipv4.ip_forward") == "1"
    return yes("veth and nft were tried" + ("; this host is a router" if is_router else ""))
