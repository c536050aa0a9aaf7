"""What keeper and engine say to each other, as the engine sees it.

JSON, one message a packet; `engine.keeper.protocol` is the other side and says in which order
things come and which descriptors come with them. Unknown fields are ignored, so that an engine
of another version understands a keeper that was not restarted.
"""

from __future__ import annotations

import signal
from typing import Any

import msgspec

# --- keeper to engine ---


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The first message; `fds` names the listening sockets that come with it."""

    keeper_pid: int
    boot_id: str
    fds: list[str]


class ExitStatus(msgspec.Struct, frozen=True):
    """How a process ended: a wait status, None where nobody could tell."""

    status: int | None
    time: float


class Held(msgspec.Struct, frozen=True, tag="instance"):
    """A process the keeper holds, alive or ended. Comes with pidfd, stdout and stderr FIFO.

    Attributes:
        pid: The process whose end is the instance's end.
        main_pid: The program itself.
        blob: What the engine gave with the spawn; `read_blob` decodes it.
        is_adopted: A former keeper started it, so its exit status will not be known.
    """

    name: str
    pid: int
    start_ticks: int
    main_pid: int
    cgroup: str = ""
    blob: msgspec.Raw = msgspec.Raw(b"{}")
    is_adopted: bool = False
    exit: ExitStatus | None = None


class Fifo(msgspec.Struct, frozen=True, tag="fifo"):
    """FIFOs without a process. Comes with stdout and stderr FIFO."""

    name: str


class Door(msgspec.Struct, frozen=True, tag="door"):
    """A door was started. Comes with the engine's end of its link."""

    index: int
    pid: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The list of what the keeper holds is complete."""


class Exit(msgspec.Struct, frozen=True, tag="exit"):
    """A process ended; kept by the keeper until `Ack`."""

    name: str
    pid: int
    status: int | None = None
    time: float = 0.0


class ShutdownAsked(msgspec.Struct, frozen=True, tag="shutdown"):
    """Stop every instance within so many seconds, then say `ShutdownDone`."""

    within: float


class ReloadAsked(msgspec.Struct, frozen=True, tag="reload"):
    """Read the configuration again."""


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """The answer to the order with that `seq`.

    Attributes:
        re: None where an order without a `seq` was refused.
        pid, main_pid, start_ticks: Of a spawn; with pidfd, stdout and stderr FIFO.
        step, errno, path, index: The step that failed, where `ok` is false.
    """

    re: int | None
    ok: bool
    pid: int = 0
    main_pid: int = 0
    start_ticks: int = 0
    count: int = 0
    step: str = ""
    errno: int = 0
    path: str = ""
    index: int = -1


FromKeeper = Welcome | Held | Fifo | Door | Ready | Exit | ShutdownAsked | ReloadAsked | Reply


# --- engine to keeper ---


class Blob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the engine wants to know of a process it finds again.

    Attributes:
        port: Where it listens, 0 where that is not known.
        spec_digest: Of the fields it was started with.
        started_at: Seconds since the epoch.
        generation: Counts the launches of this instance.
        network: Of `engine.core.network`; "" is the host's.
    """

    port: int = 0
    spec_digest: str = ""
    started_at: float = 0.0
    generation: int = 0
    version: str = ""
    isolation: str = ""
    socket: str = ""
    network: str = ""


class Spawn(msgspec.Struct, frozen=True, tag="spawn", tag_field="op"):
    """Carry out a plan. Answered by `Reply`."""

    seq: int
    name: str
    plan: list[list[Any]]
    cgroup: str
    blob: Blob


class Ack(msgspec.Struct, frozen=True, tag="ack", tag_field="op"):
    """The exit status was taken."""

    name: str
    pid: int


class Release(msgspec.Struct, frozen=True, tag="release", tag_field="op"):
    """The FIFOs of a name are read out and no longer needed."""

    name: str


class Sockets(msgspec.Struct, frozen=True, tag="sockets", tag_field="op"):
    """Make TCP sockets in the network namespace of a process. Answered by `Reply`."""

    seq: int
    pid: int
    count: int
    family: str = "inet"


class Kill(msgspec.Struct, frozen=True, tag="kill", tag_field="op"):
    """End every process of an instance, by the surest way there is."""

    name: str


class EngineReady(msgspec.Struct, frozen=True, tag="ready", tag_field="op"):
    """The API answers."""


class ShutdownDone(msgspec.Struct, frozen=True, tag="shutdown_done", tag_field="op"):
    """Every instance has ended."""


ToKeeper = Spawn | Ack | Release | Sockets | Kill | EngineReady | ShutdownDone

_decoder: msgspec.json.Decoder[FromKeeper] = msgspec.json.Decoder(FromKeeper)
_encoder = msgspec.json.Encoder()


def decode(data: bytes) -> FromKeeper:
    """Read one message of the keeper.

    Raises:
        msgspec.DecodeError: It is none.
    """
    return _decoder.decode(data)


def encode(message: ToKeeper) -> bytes:
    """Give the bytes of a message to the keeper."""
    return _encoder.encode(message)


def read_blob(raw: msgspec.Raw) -> Blob:
    """Read what an engine, perhaps of another version, gave with a spawn.

    A blob nobody can read gives an empty one: its port is 0, so the instance is started anew.
    """
    try:
        return msgspec.json.decode(raw, type=Blob)
    except msgspec.DecodeError:
        return Blob()


def exit_parts(status: int | None) -> tuple[int | None, str]:
    """Split a wait status into exit code and signal name, of which at most one is there.

    Source: wait(2), "WIFEXITED"; numbers as on Linux.
    """
    if status is None:
        return None, ""
    number = status & 0x7F
    if number == 0:
        return (status >> 8) & 0xFF, ""
    try:
        return None, signal.Signals(number).name
    except ValueError:
        return None, f"SIG{number}"
