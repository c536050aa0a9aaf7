"""The keys of a service that say what network its instances have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import U16, short
from engine.core.network import DEFAULT_PORT, Network
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
    if network is Network.OUTBOUND:
        message = 'network = "outbound" is not supported by this version'
        table.fail("network", message, hint='use "private" (no way out) or "host"')
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
