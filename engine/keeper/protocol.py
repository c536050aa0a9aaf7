"""What keeper and engine say to each other, and how it travels.

One SOCK_SEQPACKET pair; a message is one JSON object, at most `MAX_MESSAGE` bytes, with file
descriptors as SCM_RIGHTS in the order the message names them.

Keeper to engine, once at its start, in this order:

| message | fields | fds |
|---|---|---|
| welcome | keeper_pid, boot_id, fds: ["api", "door_api"] | the two listening Unix sockets |
| instance | name, pid, start_ticks, main_pid, cgroup, blob, is_adopted, exit (null, or {status, time}) | pidfd, stdout FIFO, stderr FIFO |
| fifo | name: FIFOs held without a process | stdout FIFO, stderr FIFO |
| door | index, pid; again whenever that door is started anew | engine's end of a fresh pair |
| ready | nothing: the list is complete. Sent once spawns left by a dead engine have ended | |

Keeper to engine, later:

| message | fields |
|---|---|
| exit | name, pid, status (wait status, null if unknown), time (epoch). Kept until `ack` |
| shutdown | within: seconds the engine has to stop its instances |
| reload | SIGHUP came |
| reply | re: seq, ok: true, and for a spawn pid, main_pid, start_ticks + fds [pidfd, stdout, stderr]; for sockets count + that many fds |
| reply | re: seq, ok: false, step, errno, path, index (of the step in the plan, -1 if none) |

Engine to keeper:

| op | fields | answer |
|---|---|---|
| spawn | seq, name, plan, cgroup ("" or path), blob | reply |
| ack | name, pid: the exit status was taken; process and record are forgotten | |
| release | name: FIFOs are closed and unlinked. Only where no process is held | |
| sockets | seq, pid, count (1 to 250), family ("inet", "inet6") | reply |
| kill | name: end every process of the instance now, by the surest way there is | |
| ready | the engine answers on its API: READY=1 goes to the service manager | |
| shutdown_done | every instance has ended; the keeper may end the rest | |

`kill` writes cgroup.kill and sends SIGKILL to PID 1 of a namespace. A `process` instance without
a cgroup has a subreaper (`pid`): `KILL_ALL` tells it to kill every descendant and exit; killed
itself, its orphans come to the keeper, which kills them. SIGTERM and the like sent to `pid` of an
instance with a reaper are passed on to the main program's process group.

A spawn is answered EEXIST while the name is held, EINVAL for a plan that is no plan, ETIMEDOUT
after `SPAWN_SECONDS`, ESHUTDOWN while the keeper stops, E2BIG for a message too large. FIFOs stay
the same over all processes of one name until `release`.
"""  # noqa: E501 - tables

from __future__ import annotations

import array
import json
import signal
import socket

MAX_MESSAGE = 180_000
"""Bytes of one message; a default-sized socket buffer takes it whole."""

SPAWN_SECONDS = 10.0
"""How long a launch may take until the program runs."""

KILL_ALL = signal.SIGRTMIN
"""Tells a subreaper to end every descendant."""

_MAX_FDS = 253
_BUFFER_BYTES = 256 * 1024


class Message(dict[str, object]):
    """One decoded message; unknown fields are kept and ignored."""

    def text(self, key: str) -> str:
        """Give a string field.

        Raises:
            ValueError: It is missing or no string.
        """
        value = self.get(key)
        if not isinstance(value, str):
            raise ValueError(f"{key}: a string is needed")  # noqa: TRY004 - one kind of refusal
        return value

    def number(self, key: str) -> int:
        """Give an integer field.

        Raises:
            ValueError: It is missing or no integer.
        """
        value = self.get(key)
        if not isinstance(value, int):
            raise ValueError(f"{key}: an integer is needed")  # noqa: TRY004
        return value


def encode(message: dict[str, object]) -> bytes:
    """Give the bytes of a message."""
    return json.dumps(message, separators=(",", ":")).encode()


def decode(data: bytes | memoryview) -> Message:
    """Read one message.

    Raises:
        ValueError: It is no JSON object.
    """
    value = json.loads(bytes(data))
    if not isinstance(value, dict):
        raise ValueError("a message is a JSON object")  # noqa: TRY004
    return Message(value)


def send(link: socket.socket, data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Send one message with its descriptors.

    Raises:
        BlockingIOError: The buffer is full; try again once the socket is writable.
        OSError: As sendmsg(2); ETOOMANYREFS: too many descriptors are under way.
    """
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    link.sendmsg([data], rights, socket.MSG_NOSIGNAL)


def receive(link: socket.socket, buffer: bytearray) -> memoryview | None:
    """Take the next message into a buffer of `new_buffer`; None at the end of the link.

    Raises:
        BlockingIOError: Nothing is there.
    """
    size = link.recv_into(buffer)
    return memoryview(buffer)[:size] if size else None


def new_buffer() -> bytearray:
    """Give a buffer large enough to see that a message is too large, and to answer it."""
    return bytearray(_BUFFER_BYTES)
