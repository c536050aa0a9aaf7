"""Every message of `tests.corpus` through one real door, whole and cut to pieces.

Each request is followed by another, so that the two sides agree where it ends: behind one that
is refused it must reach nobody, behind one that is passed on it must be answered as itself.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from engine.core.doorwire import RouteRules, RouteService
from tests.corpus import REQUESTS, RESPONSES, HostileRequest, HostileResponse, unfold
from tests.e2e.door_apps import Upstream, response, upstream
from tests.e2e.door_rig import DoorRig, body_of, door, instance, read_all, read_until
from tests.e2e.recording import Recorder, recorder

SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: a.api.localhost\r\nConnection: close\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
"""As RFC 9112 has it: with a space also before an empty reason."""

BY_BYTE_BYTES = 1500
"""Longer ones are cut less finely."""


def test_the_corpus_is_large_enough():
    refused = [row for row in REQUESTS.values() if row.answers[-1] != 200]
    assert len(refused) >= 150
    assert len(RESPONSES) >= 100


# --- requests ---


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One door whose every host leads to one instance, which writes down what it gets."""
    with door(tmp_path_factory.mktemp("door")) as rig, recorder() as made:
        services = {"api": RouteService(instances={"a": instance(made.port)})}
        rig.table(routing=RouteRules(default="api:a"), **services)
        yield rig, made


def send(rig: DoorRig, pieces: Iterator[bytes]) -> bytes:
    """Send pieces, one write each; give all that comes until the door closes."""
    with rig.connect() as sock:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                sock.sendall(piece)
        return read_all(sock)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def expected(row: HostileRequest) -> tuple[list[int], list[tuple[bytes, bytes]]]:
    """Give the answers and what reaches the instance, the request behind it among them."""
    if row.answers[-1] != 200 or row.ends:
        return row.answers, row.seen
    return [*row.answers, 200], [*row.seen, (b"GET /sentinel", b"")]


def outcome(rig: DoorRig, made: Recorder, pieces: Iterator[bytes]):
    made.take()
    answers = send(rig, pieces)
    return [int(status) for status in STATUS.findall(answers)], made.take()


def run_all(rig: DoorRig, made: Recorder, size_of) -> dict[str, object]:
    wrong: dict[str, object] = {}
    for name, row in REQUESTS.items():
        got = outcome(rig, made, cut(row.data + SENTINEL, size_of(row.data)))
        if got != expected(row):
            wrong[name] = got
    return wrong


class Witness(threading.Thread):
    """Somebody else's requests, one after another: each must be answered as itself."""

    def __init__(self, rig: DoorRig) -> None:
        super().__init__()
        self._sock = rig.connect()
        self._stopped = threading.Event()
        self.count = 0
        self.wrong: list[bytes] = []

    def run(self) -> None:
        with self._sock as sock:
            while not self._stopped.is_set():
                self.count += 1
                mine = b"/witness-%d." % self.count
                sock.sendall(b"GET %b HTTP/1.1\r\nHost: a.api.localhost\r\n\r\n" % mine)
                got = read_until(sock, b".")
                if body_of(read_rest(sock, got)) != mine:
                    self.wrong.append(got)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def read_rest(sock: socket.socket, got: bytes) -> bytes:
    """Read the rest of an answer that has a length."""
    while b"\r\n\r\n" not in got:
        got += sock.recv(65536)
    length = int(re.search(rb"(?i)content-length: ([0-9]+)", got)[1])
    while len(body_of(got)) < length:
        got += sock.recv(65536)
    return got


def test_requests_whole_beside_somebody_elses(recorded):
    rig, made = recorded
    witness = Witness(rig)
    witness.start()
    try:
        assert run_all(rig, made, lambda data: 1 << 20) == {}
    finally:
        witness.stop()
    assert witness.count > 100
    assert witness.wrong == []


def test_requests_by_byte(recorded):
    rig, made = recorded
    assert run_all(rig, made, lambda data: 1 if len(data) < BY_BYTE_BYTES else 997) == {}


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    st.sampled_from(sorted(REQUESTS)),
    st.lists(st.integers(0, 1 << 17), max_size=8),
)
def test_requests_cut_anywhere(recorded, name, places):
    rig, made = recorded
    row = REQUESTS[name]
    data = row.data + SENTINEL
    edges = [0, *sorted(place % len(data) for place in places), len(data)]
    pieces = (data[one:two] for one, two in pairwise(edges))
    assert outcome(rig, made, pieces) == expected(row)


# --- responses ---


class Player:
    """Answers the first request of a connection with what it is told, later ones with "next"."""

    def __init__(self) -> None:
        self.row: HostileResponse | None = None
        self.size = 1
        self.is_reused = False

    def talk(self, up: Upstream, sock: socket.socket) -> None:
        is_first = True
        while request := up.request(sock):
            if b" /next " in request:
                self.is_reused = not is_first
                sock.sendall(response(b"next"))
            elif self.row is not None:
                for piece in cut(self.row.data, self.size):
                    sock.sendall(piece)
                if self.row.then == "close":
                    return
            is_first = False


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    player = Player()
    with door(tmp_path_factory.mktemp("door")) as rig, upstream(player.talk) as made:
        yield rig, player, made


def ask(rig: DoorRig, row: HostileResponse) -> bytes:
    upgrade = f"Upgrade: {row.asks}\r\nConnection: Upgrade, close\r\n" if row.asks else ""
    line = f"{row.method} /first HTTP/1.1\r\nHost: a.api.localhost\r\n"
    return rig.ask(f"{line}{upgrade or 'Connection: close'}\r\n\r\n".encode())


def final_of(answer: bytes) -> tuple[int, bytes, bytes]:
    """Pass over interim answers; give status, head and body of the last one."""
    while (status := int(STATUS.match(answer)[1])) < 200:
        answer = body_of(answer)
    head, _, body = answer.partition(b"\r\n\r\n")
    return status, head, body


def content_of(head: bytes, body: bytes) -> tuple[bytes, bool]:
    """Give the content, and whether it is all there, read by its framing."""
    if b"\r\nTransfer-Encoding: chunked" in head:
        content, rest = b"", body
        while (match := re.match(rb"([0-9a-f]+)\r\n", rest)) and match[1] != b"0":
            start, size = match.end(), int(match[1], 16)
            content += rest[start : start + size]
            rest = rest[start + size + 2 :]
        return content, rest.startswith(b"0\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", head)
    return body, length is not None and int(length[1]) == len(body)


@pytest.mark.parametrize("size", [1 << 20, 1], ids=["whole", "by byte"])
def test_responses(played, size):
    rig, player, made = played
    wrong = {}
    for name, row in RESPONSES.items():
        rig.table()
        rig.service(a=instance(made.port))  # no connection of the case before is left
        player.row, player.size = row, size if len(row.data) < BY_BYTE_BYTES else 997
        try:
            status, head, body = final_of(ask(rig, row))
        except TimeoutError:
            wrong[name] = "no answer"
            continue
        content, is_whole = content_of(head, body)
        player.is_reused = False
        following = rig.get(path="/next")
        expected_body = b"Bad gateway" if row.status == 502 else unfold(row.body)
        if row.method == "HEAD" or row.status in (204, 304):
            is_right = body == b""
        else:
            is_right = content == expected_body and is_whole is not row.cut
        if status != row.status or not is_right or body_of(following) != b"next":
            wrong[name] = (status, head[-100:], body[:200], following)
        elif player.is_reused != row.reused:
            wrong[name] = (status, "reused", player.is_reused)
    assert wrong == {}


def test_a_flood_of_interim_answers_is_bounded(played):
    """However many came before the refusal, the client is sent no more than the limit."""
    rig, player, made = played
    rig.service(a=instance(made.port))
    row = player.row = RESPONSES["a flood of interim answers"]
    player.size = 1 << 20
    assert ask(rig, row).count(b"HTTP/1.1 103 ") <= 16
