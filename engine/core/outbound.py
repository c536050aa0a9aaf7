"""The way out of instances with `network = "outbound"`: addresses, names, and the packet filter.

Each instance is joined to the host by a pair of interfaces with four addresses of one range: the
network's own, the host's, the instance's and the broadcast's.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PREFIX = "ten-"
"""What the names of the host's ends begin with, whichever engine made them."""

INSIDE = "eth0"
"""The interface as the instance sees it."""

LINK_PREFIX = 30
LEAST_PREFIX, MOST_PREFIX = 14, 28
"""Sizes of the range: 65,536 instances, whose number is four digits of the name, to four."""

_HASH_DIGITS = 5

NEVER = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "224.0.0.0/3",
    "100.100.100.200",
    "168.63.129.16",
)
"""The host itself, link-local and multicast addresses, and where clouds keep their metadata."""

PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Networks of the host's own surroundings. Sources: RFC 1918, RFC 6598."""


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    """The keys `outbound_range`, `outbound_allow` and `outbound_dns` of `[settings]`.

    Attributes:
        range: Where the addresses of the pairs come from.
        allow: Private networks that may be reached.
        dns: Resolvers; none: the host's.
    """

    range: str = "10.212.0.0/16"
    allow: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()


class Link(NamedTuple):
    """One pair of interfaces.

    Attributes:
        name: Of the host's end, at most 15 characters.
        host: Address of the host's end.
        inside: Address of the instance.
    """

    name: str
    host: str
    inside: str


def prefix_of(group: str) -> str:
    """Give what the names of an engine's interfaces begin with: "ten-1a2b3-".

    Args:
        group: As the cgroup of its instances is named.
    """
    return f"{PREFIX}{group.removeprefix(PREFIX)[:_HASH_DIGITS]}-"


def choose(
    group: str, range_: str, names: Collection[str], addresses: Collection[str]
) -> Link | None:
    """Find a pair that nobody has; None where the range is used up.

    Two engines on one host may share a range: each begins to look at a place of its own.

    Args:
        group: As the cgroup of the engine's instances is named.
        range_: The range.
        names: Of the host's interfaces.
        addresses: Of the host.
    """
    network, prefix = IPv4Network(range_), prefix_of(group)
    count = 1 << LINK_PREFIX - network.prefixlen
    first = int(group.removeprefix(PREFIX) or "0", 16) % count
    for step in range(count):
        number = (first + step) % count
        base = int(network.network_address) + (number << 32 - LINK_PREFIX)
        found = Link(f"{prefix}{number:x}", str(IPv4Address(base + 1)), str(IPv4Address(base + 2)))
        if found.name not in names and found.host not in addresses:
            return found
    return None


def is_resolver(text: str) -> bool:
    """Tell whether an instance with a way out could ask a resolver at an address."""
    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    return not any(address in IPv4Network(each) for each in NEVER)


def ruleset(
    group: str, outbound: Outbound, resolvers: Iterable[str], guarded: Iterable[str]
) -> str:
    """Write the packet filter, which takes the place of an earlier one in one step.

    What comes from an instance goes out, masqueraded, or is refused so that the program sees it at
    once; what comes back is only answers. The host itself is reached as a resolver, if it is one,
    and in no other way. IPv6 has no way at all.

    Args:
        group: Names the table, and the engine's interfaces.
        outbound: What the configuration says.
        resolvers: Reached at port 53 wherever they are.
        guarded: Interfaces that pass packets on for our sake alone: nothing else goes through.

    Source: nft(8).
    """
    ours, any_engines = f'"{prefix_of(group)}*"', f'"{PREFIX}*"'
    return f"""\
table inet {group} {{}}
delete table inet {group}
table inet {group} {{
{_set("never", "ipv4_addr", NEVER)}
{_set("private", "ipv4_addr", PRIVATE)}
{_set("allowed", "ipv4_addr", outbound.allow)}
{_set("resolvers", "ipv4_addr", resolvers)}
{_set("guarded", "ifname", [f'"{name}"' for name in guarded])}
  chain refuse {{
    meta l4proto tcp reject with tcp reset comment "not rationed by the kernel, as ICMP is"
    reject with icmpx type admin-prohibited
  }}
  chain out {{
    meta nfproto ipv6 drop
    oifname {any_engines} goto refuse
    ip daddr @never goto refuse
    ip daddr @resolvers meta l4proto {{ tcp, udp }} th dport 53 accept
    ip daddr @allowed accept
    ip daddr @private goto refuse
    accept
  }}
  chain back {{
    meta nfproto ipv4 ct state established,related accept
    drop
  }}
  chain to_host {{
    type filter hook input priority filter - 10; policy accept;
    iifname {ours} ip daddr @resolvers meta l4proto {{ tcp, udp }} th dport 53 accept
    iifname {ours} goto refuse
  }}
  chain through {{
    type filter hook forward priority filter - 10; policy accept;
    iifname {ours} goto out
    oifname {ours} goto back
    iifname @guarded oifname != {any_engines} drop
  }}
  chain leave {{
    type nat hook postrouting priority srcnat; policy accept;
    iifname {ours} oifname != {any_engines} masquerade
  }}
}}
"""


def _set(name: str, kind: str, elements: Iterable[str]) -> str:
    parts = [f"type {kind};"]
    if kind == "ipv4_addr":
        parts.append("flags interval; auto-merge;")
    if listed := ", ".join(elements):
        parts.append(f"elements = {{ {listed} }};")
    return f"  set {name} {{ {' '.join(parts)} }}"
