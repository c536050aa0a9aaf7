"""ten_tui.client.client and transport: asked of a fake engine, and of servers that misbehave."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import (
    EngineUnreachable,
    FeatureMissing,
    LaunchFailed,
    NotFound,
    Refused,
    TenError,
)
from engine.core.wire import InstanceChanged, Snapshot, State
from ten_tui.client import Client, Endpoint, connect
from ten_tui.client import client as client_module
from ten_tui.client.records import LogCursors, LogGap, LogRecord
from ten_tui.client.transport import ServerError
from tests.served import Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path) as found:
        yield found


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with connect(Endpoint(socket=str(served.path))) as found:
        yield found


@contextmanager
def scripted(*answers: bytes, closes: bool = True) -> Iterator[Endpoint]:
    """A TCP server that says one thing for each connection, whatever it is asked."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            link, _ = listening.accept()
            with link:
                link.recv(65536)
                link.sendall(answer)
                if not closes:
                    link.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Endpoint(url=f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        listening.close()
        thread.join(5)


def http(status: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_a_socket_behind_a_link_is_reached_however_long_its_path_is(
    served: Served, tmp_path: Path
) -> None:
    folder = tmp_path / ("deep" * 40)
    folder.mkdir()
    with connect(Endpoint(socket=str(folder / "ten.sock"))) as client:
        # The engine makes the link when it starts, which is after this client was made.
        (folder / "ten.sock").symlink_to(served.path)
        assert client.snapshot().instances is not None


def test_the_peers_routes(client: Client, served: Served) -> None:
    assert client.is_up()
    assert [one.id for one in client.running()][:1] == ["api:alice"]
    spawned = client.spawn("api:new")
    assert spawned.instance == "api:new"
    assert spawned.port == served.control.views["api:new"].port
    assert client.restart("api:new").instance == "api:new"
    client.set_weight("api:new", 7)
    assert served.control.views["api:new"].weight == 7
    assert client.check_health("api:alice") == "healthy"
    client.stop("api:new")
    assert served.control.views["api:new"].state is State.STOPPED
    deployed = client.deploy("api", "v2", weight=5, timeout=5)
    assert (deployed.instance, deployed.weight, deployed.status) == ("api:v2", 5, "healthy")
    routed = client.route("api", "alice", "v2")
    assert (routed.from_weight, routed.to_weight) == (0, 100)
    served.write("api:bob", "hello", "world")
    (record,) = client.logs(process="api", ident="bob", search="world", limit=10)
    assert (record.message, record.level, record.number) == ("world", "stdout", 2)


def test_the_engines_own(client: Client, served: Served) -> None:
    assert client.engine().hostname == "fake-host"
    assert isinstance(client.snapshot(), Snapshot)
    assert len(client.instances()) == 5
    client.stop("api:bob", hold_seconds=10)
    assert client.undo("api:bob") == "stop"
    served.write("api:bob", *map(str, range(10)))
    window = client.log_window("api:bob", first=3, count=2)
    assert [line.text for line in window.lines] == ["2", "3"]
    assert client.log_window("api:bob", text="7", stream="stdout").lines[0].number == 8
    later = client.log_window("api:bob", wait_end=window.end, wait_seconds=0.05)
    assert later.end == window.end
    assert client.log_search("api:bob", text="^5$", first=0, is_regex=True).lines[0].text == "5"
    backward = client.log_search("api:bob", text="1", first=99, is_backward=True)
    assert backward.lines[0].text == "1"
    assert "api:bob" in client.log_names()
    assert b"".join(client.log_raw("api:bob")).endswith(b"8\n9\n")
    assert client.metrics("api:bob", 5) == []
    assert client.events(after=1, limit=1)[0].id == 2
    assert client.config().path == client.reload().path


def test_one_connection_serves_many_questions(client: Client, served: Served) -> None:
    for _ in range(50):
        client.engine()
    state = served.server.listener._state
    assert len(state.connections) == 1


def test_a_connection_the_server_closed_meanwhile_is_made_anew(
    client: Client, served: Served
) -> None:
    client.engine()
    for connection in list(served.server.listener._state.connections):
        served.do(connection.transport.close)  # type: ignore[union-attr]
    client.set_weight("api:bob", 3)
    assert served.control.views["api:bob"].weight == 3


def test_updates_come_as_records(client: Client) -> None:
    found = client.stream()
    assert isinstance(next(found), Snapshot)
    client.set_weight("api:bob", 9)
    changed = next(found)
    assert isinstance(changed, InstanceChanged)
    assert changed.instance.weight == 9
    found.close()  # type: ignore[attr-defined]


def test_the_end_of_a_stream_is_told(client: Client, served: Served) -> None:
    found = client.stream()
    next(found)
    served.do(served.server.app.state.closing.set)
    with pytest.raises(EngineUnreachable, match="went away"):
        list(found)


def test_silence_is_told(client: Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", 0.1)
    found = client.stream()
    next(found)
    with pytest.raises(EngineUnreachable, match="No answer"):
        next(found)


def test_lines_come_as_they_are_written(client: Client, served: Served) -> None:
    found = client.logs_stream(process="api", ident="bob")
    served.write("api:bob", "now")
    seen: list[Any] = []
    while len(seen) < 2:
        seen += next(found)
    assert seen[0] == LogCursors({"api:bob": 1})
    assert isinstance(seen[1], LogRecord)
    assert seen[1].message == "now"


def test_a_peers_stream_of_lines() -> None:
    body = (
        b":\n\n"
        b'data: {"timestamp":1,"level":"stdout","process":"a","instance_id":"b","message":"m"}\n\n'
        b': evicted {"name":"a:b","count":3}\n\ndata: {"timest'
    )
    with scripted(http("200 OK", body, "text/event-stream")) as endpoint, connect(endpoint) as it:
        seen = [one for batch in it.logs_stream() for one in batch]
    assert seen == [LogRecord(1, "stdout", "a", "b", "m"), LogGap("a:b", 3)]
    assert isinstance(seen[0], LogRecord)
    assert seen[0].number == -1


def test_close_wakes_who_waits_and_is_for_good(client: Client) -> None:
    threading.Timer(0.1, client.close).start()
    begun = time.monotonic()
    with pytest.raises(EngineUnreachable, match="closed"):
        client.log_window("api:bob", wait_end=10**6, wait_seconds=20)
    assert time.monotonic() - begun < 5
    with pytest.raises(EngineUnreachable, match="closed"):
        client.engine()
    client.close()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":"no x","kind":"not_found","hint":"look"}', NotFound("no x", hint="look")),
        (b'{"error":"full","kind":"refused"}', Refused("full")),
        (b'{"error":"no runsc","kind":"feature_missing"}', FeatureMissing("no runsc")),
        (b'{"error":"the peer says"}', ServerError("the peer says", 500)),
        (b"", ServerError("Server returned 500 Internal Server Error", 500)),
        (b"<html>", ServerError("Server returned 500 Internal Server Error", 500)),
        (b"[]", ServerError("Server returned 500 Internal Server Error", 500)),
    ],
)
def test_errors_are_raised_as_what_they_are(body: bytes, error: TenError) -> None:
    with (
        scripted(http("500 Internal Server Error", body)) as endpoint,
        connect(endpoint) as it,
        pytest.raises(type(error)) as caught,
    ):
        it.spawn("a:b")
    assert (str(caught.value), caught.value.hint) == (str(error), error.hint)


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway T"])
def test_a_proxy_without_its_engine_is_an_engine_out_of_reach(status: str) -> None:
    answer = http(status, b"Bad gateway", "text/plain")
    with (
        scripted(answer) as endpoint,
        connect(endpoint) as it,
        pytest.raises(EngineUnreachable, match=f"Server returned {status}"),
    ):
        it.running()


def test_a_failed_launch_keeps_its_step() -> None:
    body = b'{"error":"e","kind":"launch_failed","step":"exec /x","errno":2,"path":"/x"}'
    with (
        scripted(http("500 E", body)) as endpoint,
        connect(endpoint) as it,
        pytest.raises(LaunchFailed) as caught,
    ):
        it.spawn("a:b")
    assert (caught.value.step, caught.value.errno, caught.value.path) == ("exec /x", 2, "/x")


@pytest.mark.parametrize("answer", [b"{", b"[1]", b'{"a":1}', b"\xff"])
def test_answers_that_are_none_are_told(answer: bytes) -> None:
    with (
        scripted(http("200 OK", answer)) as endpoint,
        connect(endpoint) as it,
        pytest.raises(TenError, match="not understood") as caught,
    ):
        it.running()
    assert "versions" in caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1", b"\x00\x01\x02\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]"],
)
def test_connections_that_break_are_told(answer: bytes) -> None:
    with (
        scripted(answer) as endpoint,
        connect(endpoint) as it,
        pytest.raises(EngineUnreachable, match="Lost the connection"),
    ):
        it.running()


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        scripted(b"HTTP/1.1 200 OK\r\n", closes=False) as endpoint,
        connect(endpoint) as it,
        pytest.raises(EngineUnreachable, match="No answer"),
    ):
        it._get("/x", list, 0.1)


def test_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        connect(Endpoint(url=f"http://127.0.0.1:{port}")) as it,
        pytest.raises(EngineUnreachable) as caught,
    ):
        it.running()
    assert str(caught.value) == f"Failed to connect to server at http://127.0.0.1:{port}"
    path = tmp_path / "none.sock"
    with connect(Endpoint(socket=str(path))) as it:
        assert not it.is_up()
        with pytest.raises(EngineUnreachable) as caught:
            it.running()
    assert str(caught.value) == f"Failed to connect to server at unix:{path}"
    assert "ten up" in caught.value.hint
    with connect(Endpoint(socket="/x" * 100)) as it, pytest.raises(EngineUnreachable):
        it.running()


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://[", "http://x:y"])
def test_urls_that_are_none(url: str) -> None:
    with connect(Endpoint(url=url)) as it, pytest.raises(TenError, match="Invalid server URL"):
        it.running()


def test_the_token_is_sent_and_a_bad_one_is_told(tmp_path: Path) -> None:
    with Served(tmp_path, is_local=False) as served:
        token = served.admin_token()
        with connect(Endpoint(socket=str(served.path), token=token)) as it:
            assert len(it.running()) == 5
        with (
            connect(Endpoint(socket=str(served.path), token="x" * 43)) as it,
            pytest.raises(ServerError, match="Server returned 401 Unauthorized") as caught,
        ):
            it.running()
        assert caught.value.status == 401
        with connect(Endpoint(socket=str(served.path), token="a\nb: c")) as it:
            with pytest.raises(TenError):
                it.running()
            with pytest.raises(TenError):
                list(it.log_raw("api:bob"))


def test_names_are_quoted(client: Client) -> None:
    for name in ("api:a b", "api:../../x", "api:?x", "é:a", "api:a#b"):
        with pytest.raises(TenError):
            client.stop(name)
        with pytest.raises(TenError):
            client.log_window(name)
