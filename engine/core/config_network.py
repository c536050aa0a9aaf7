"""The keys that say what network instances have, and where a way out of it leads."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from engine.core.config_table import U16, short
from engine.core.network import DEFAULT_PORT, Network
from engine.core.outbound import LEAST_PREFIX, MOST_PREFIX, NEVER, PRIVATE, Outbound, is_resolver
from engine.core.spec import Isolation

if TYPE_CHECKING:
    from engine.core.config_table import Table


def read_network(table: Table, isolation: Isolation) -> Network:
    """Read `network`; a sandbox has its own unless the host's is asked for.

    gVisor takes orders on an abstract socket, from whoever has its uid and is on its network. For
    `process` a network namespace would be for nothing: its programs see the host's processes,
    could enter the namespaces of those and reach the host's Unix sockets.

    Raises:
        SpecError: There is no such network, or not with this isolation.
    """
    is_sandbox = isolation is Isolation.SANDBOX
    text = table.text("network", Network.PRIVATE if is_sandbox else Network.HOST)
    try:
        network = Network(text)
    except ValueError:
        names = ", ".join(f"`{each}`" for each in Network)
        table.fail("network", f"unknown variant `{short(text)}`, expected one of {names}")
    if network.is_own and isolation is Isolation.PROCESS:
        message = f'network = "{network}" cannot be had with isolation = "process"'
        hint = 'use isolation = "namespace", or network = "host"'
        table.fail("network", message, hint=hint)
    if is_sandbox and not network.is_own:
        message = 'isolation = "sandbox" on the host\'s network takes orders from programs there'
        table.warn("network", f"{message} that have its uid; leave network out to keep it apart")
    return network


def read_port(table: Table, network: Network) -> int:
    """Read `port`: where the program listens in its own network.

    Returns: 0 where the engine finds a free one of the host's.

    Raises:
        SpecError: It is no port, or the network is the host's, where two instances would collide.
    """
    if "port" not in table:
        return DEFAULT_PORT if network.is_own else 0
    port = table.count("port", DEFAULT_PORT, U16, minimum=1)
    if not network.is_own:
        message = (
            'port needs a network of its own: with network = "host" each instance is given one'
        )
        hint = 'add network = "private", or have the program listen on $PORT'
        table.fail("port", message, hint=hint)
    return port


def read_outbound(table: Table) -> Outbound:
    """Read `outbound_range`, `outbound_allow` and `outbound_dns` of `[settings]`.

    Raises:
        SpecError: One is no network or address of IPv4, or one that no instance may have or reach.
    """
    default = Outbound()
    return Outbound(
        range=_read_range(table, default.range),
        allow=tuple(str(each) for each in _networks(table, "outbound_allow")),
        dns=_read_resolvers(table),
    )


def _read_range(table: Table, default: str) -> str:
    key = "outbound_range"
    text = table.line(key, default)
    hint = f'write it as "{default}"'
    try:
        network = IPv4Network(text)
    except ValueError as error:
        table.fail(key, f"{short(text)!r} is no network of IPv4: {error}", hint=hint)
    if not LEAST_PREFIX <= network.prefixlen <= MOST_PREFIX:
        message = f"{key} = {short(text)!r} must be a /{LEAST_PREFIX} to a /{MOST_PREFIX}"
        table.fail(key, f"{message}: four addresses go to each instance", hint=hint)
    if not any(network.subnet_of(IPv4Network(each)) for each in PRIVATE):
        message = f"{key} = {short(text)!r} belongs to others: take a private one (RFC 1918)"
        table.fail(key, message, hint=hint)
    return str(network)


def _networks(table: Table, key: str) -> list[IPv4Network]:
    found = []
    for text in table.texts(key) or ():
        try:
            network = IPv4Network(text)
        except ValueError as error:
            message = f"{key}: {short(text)!r} is no network of IPv4: {error}"
            table.fail(key, message, hint='write it as "10.0.5.0/24" or "10.0.5.7"')
        if any(network.overlaps(IPv4Network(each)) for each in NEVER):
            message = f"{key}: {short(text)!r} holds addresses that no instance may reach:"
            table.fail(key, f"{message} the host's own, link-local or a cloud's metadata")
        found.append(network)
    return found


def _read_resolvers(table: Table) -> tuple[str, ...]:
    found = []
    for text in table.texts("outbound_dns") or ():
        try:
            address = IPv4Address(text)
        except ValueError:
            table.fail("outbound_dns", f"outbound_dns: {short(text)!r} is no address of IPv4")
        if not is_resolver(str(address)):
            message = f"outbound_dns: {short(text)!r} cannot be reached from an instance:"
            table.fail("outbound_dns", f"{message} it is the host's own, link-local or metadata")
        found.append(str(address))
    return tuple(found)
