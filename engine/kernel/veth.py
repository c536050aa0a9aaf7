"""Network namespaces joined to the host's by a pair of interfaces, and the host's own network.

pyroute2 is imported where it is first needed: it takes 24 MB, and few hosts have such instances.
Sources: veth(4), rtnetlink(7), Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.core.outbound import INSIDE, LINK_PREFIX
from engine.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.core.outbound import Link

T = TypeVar("T")

_CONF = Path("/proc/sys/net")


def open_network(link: Link) -> int:
    """Make a network namespace with a way to this one; its loopback is left down.

    Returns: a descriptor, which alone keeps namespace and interfaces in being.

    Raises:
        OSError: The kernel refuses; nothing is left.
    """
    from pyroute2 import IPRoute

    def make() -> int:
        with IPRoute() as host:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            made = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                # Neither end may have an address of IPv6, which the filter gives no way.
                _write("ipv6/conf/default/disable_ipv6", "1")
                peer = {"ifname": INSIDE, "net_ns_fd": made}
                host.link("add", ifname=link.name, kind="veth", peer=peer)
                with IPRoute() as inside:
                    _raise_end(inside, INSIDE, link.inside)
                    inside.route("add", dst="default", gateway=link.host)
            except BaseException:
                os.close(made)
                raise
            return made

    made = _in_thread(make)
    try:
        _in_thread(lambda: _raise_host(link))
    except BaseException:
        os.close(made)
        raise
    return made


def _raise_host(link: Link) -> None:
    from pyroute2 import IPRoute

    _write(f"ipv6/conf/{link.name}/disable_ipv6", "1")
    _write(f"ipv4/conf/{link.name}/rp_filter", "1")  # nobody speaks in another's name
    _write(f"ipv4/conf/{link.name}/forwarding", "1")
    with IPRoute() as host:
        _raise_end(host, link.name, link.host)


def _raise_end(netlink: Any, name: str, address: str) -> None:  # noqa: ANN401 - pyroute2 has no types
    (index,) = netlink.link_lookup(ifname=name)
    netlink.addr("add", index=index, address=address, prefixlen=LINK_PREFIX)
    netlink.link("set", index=index, state="up")


def interfaces() -> set[str]:
    """Name the interfaces of this network namespace."""
    return {name for _, name in socket.if_nameindex()}


def addresses() -> dict[str, str]:
    """Give this host's addresses of IPv4, each with the name of its interface."""
    from pyroute2 import IPRoute

    def look() -> dict[str, str]:
        names = dict(socket.if_nameindex())
        with IPRoute() as host:
            return {
                str(each.get("IFA_LOCAL") or each.get("IFA_ADDRESS")): names.get(each["index"], "")
                for each in host.get_addr(family=socket.AF_INET)
            }

    return _in_thread(look)


def routes() -> dict[str, str]:
    """Give this host's routes of IPv4 but the default ones: "10.0.0.0/8" and the interface."""
    from pyroute2 import IPRoute

    def look() -> dict[str, str]:
        names = dict(socket.if_nameindex())
        with IPRoute() as host:
            return {
                f"{each.get('RTA_DST')}/{each['dst_len']}": names.get(each.get("RTA_OIF"), "")
                for each in host.get_routes(family=socket.AF_INET)
                if each.get("RTA_DST")
            }

    return _in_thread(look)


def uplinks(targets: Iterable[str]) -> set[str]:
    """Name the interfaces by which addresses are reached; none for those that are not."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    def look() -> set[str]:
        found = set()
        names = dict(socket.if_nameindex())
        with IPRoute() as host:
            for target in targets:
                with suppress(NetlinkError):  # ENETUNREACH
                    for route in host.route("get", dst=target):
                        found.add(names.get(route.get("RTA_OIF"), ""))
        return found - {"", "lo"}

    return _in_thread(look)


def is_router() -> bool:
    """Tell whether this host passes packets on by its own administrator's will."""
    return (_CONF / "ipv4/ip_forward").read_text().strip() == "1"


def passes_on(name: str) -> bool:
    """Tell whether packets that come in by an interface may be passed on."""
    try:
        return (_CONF / f"ipv4/conf/{name}/forwarding").read_text().strip() == "1"
    except FileNotFoundError:
        return False


def pass_on(name: str, *, is_on: bool) -> None:
    """Let packets that come in by an interface be passed on, or no more; it may be gone."""
    with suppress(FileNotFoundError):
        _write(f"ipv4/conf/{name}/forwarding", "01"[is_on])


def _write(name: str, text: str) -> None:
    path = _CONF / name
    if path.exists() or not name.startswith("ipv6/"):  # a kernel may be without IPv6
        path.write_text(text)


def _in_thread(work: Callable[[], T]) -> T:
    """Work in a thread that ends with it: it may change its network, or run an event loop.

    Raises:
        OSError: As the work does, also for what pyroute2 says.
    """
    from pyroute2.netlink.exceptions import NetlinkError

    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except NetlinkError as error:
            failed.append(OSError(error.code, os.strerror(error.code)))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run, name="network")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
