"""What the keeper says is understood, and a blob nobody can read is no reason to stop."""

import json
import signal

import msgspec
import pytest

from engine.core import keeperwire as wire


def test_messages_of_a_newer_keeper_are_understood() -> None:
    data = {"type": "exit", "name": "a:b", "pid": 5, "status": 256, "time": 1.5, "new": [1]}
    assert wire.decode(json.dumps(data).encode()) == wire.Exit("a:b", 5, 256, 1.5)


def test_a_process_with_its_blob_comes_back_whole() -> None:
    blob = wire.Blob(
        port=30_000, spec_digest="d", started_at=2.0, generation=3, isolation="process"
    )
    order = json.loads(wire.encode(wire.Spawn(1, "a:b", [["setsid"]], "", blob)))
    assert order["op"] == "spawn"
    told = {
        "type": "instance",
        "name": "a:b",
        "pid": 1,
        "start_ticks": 2,
        "main_pid": 3,
        "cgroup": "",
        "blob": order["blob"],
        "is_adopted": False,
        "exit": None,
    }
    held = wire.decode(json.dumps(told).encode())
    assert isinstance(held, wire.Held)
    assert wire.read_blob(held.blob) == blob


@pytest.mark.parametrize("raw", [b"[]", b'{"port":"x"}', b"null"])
def test_a_blob_nobody_can_read_is_empty(raw: bytes) -> None:
    assert wire.read_blob(msgspec.Raw(raw)) == wire.Blob()


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (None, None, ""),
        (0, 0, ""),
        (3 << 8, 3, ""),
        (signal.SIGSEGV.value, None, "SIGSEGV"),
        (signal.SIGABRT.value | 0x80, None, "SIGABRT"),
        (40, None, "SIG40"),
    ],
)
def test_a_wait_status_is_split(status: int | None, code: int | None, name: str) -> None:
    assert wire.exit_parts(status) == (code, name)


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode(b'{"type":"unheard of"}')
