"""`ten web`: the console in a real browser; nobody else gets in, and nothing is left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from tests.e2e.chromium import Chromium
from tests.e2e.engine_run import TENANT, EngineRun, free_port, wait_until

TEN = Path(sys.executable).parent / "ten"
CONFIG = f"""
[service.api]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1
[instances]
api = ["a"]
"""


class Web:
    """A `ten web` that runs."""

    def __init__(self, run: EngineRun, *words: str) -> None:
        self.process = subprocess.Popen(
            [TEN, "--data-dir", run.data_dir, "web", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        split = urlsplit(self.url)
        self.port, self.path = split.port or 0, split.path

    def ask(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def tabs(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRun]:
    run = EngineRun(tmp_path_factory.mktemp("web"), CONFIG)
    run.start()
    run.wait_state("api:a", "healthy")
    yield run
    run.end()


@pytest.fixture
def page(engine: EngineRun) -> Iterator[Web]:
    found = Web(engine)
    yield found
    assert found.end() == 0


pytestmark = pytest.mark.shares_engine


def test_a_key_press_in_the_browser_restarts_an_instance(
    engine: EngineRun, page: Web, tmp_path: Path
) -> None:
    (tmp_path / "profile").mkdir()
    browser = Chromium(tmp_path / "profile")
    try:
        target = browser.open(page.url)
        shown = "document.body.classList.contains('-first-byte')"
        browser.wait(lambda: browser.evaluate(shown), "the console has drawn")
        browser.wait(lambda: engine.get("/api/v1/consoles"), "it is attached")
        before = engine.instance("api:a")["pid"]
        browser.press("j")
        browser.press("r")
        browser.wait(
            lambda: engine.instance("api:a").get("pid") not in (before, None, 0), "it is restarted"
        )
        engine.wait_state("api:a", "healthy")
        if folder := os.environ.get("TEN_LOOK"):
            Path(folder, "web.png").write_bytes(browser.screenshot())
        (console,) = page.tabs()
        browser.close_page(target)
        wait_until(lambda: not console.is_running(), "the console has left with its tab")
    finally:
        browser.end()


def test_only_who_has_the_address_gets_in(page: Web) -> None:
    assert len(page.path) > 40
    status, text, headers = page.ask(page.path)
    assert status == 200
    assert "ws://127.0.0.1" in text
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    assert page.ask(page.path, Host=f"localhost:{page.port}")[0] == 200
    assert page.ask(page.path, Host="[::1]:9000")[0] == 200, "through a tunnel"
    for path in ("/", "/ws", f"/{'x' * 43}/", f"/{'x' * 43}/ws", "/static/js/textual.js", "//"):
        status, text, _ = page.ask(path)
        assert (status, text.startswith("ten web: open the address")) == (403, True), path
    for host in ("example.com", "127.0.0.1.example.com", "", "[", "a.localhost"):
        assert page.ask(page.path, Host=host)[0] in (400, 403), host
    for inside in ("static/../../../../etc/passwd", "static/%2e%2e/%2e%2e/server.py", "download/x"):
        assert page.ask(page.path + inside)[0] in (403, 404), inside
    status, text, _ = page.ask(f"{page.path}ws", Origin="http://evil.example")
    assert (status, text) == (403, "ten web: asked for by another page\n")
    assert page.ask(f"{page.path}ws")[0] == 403, "no page at all"
    assert page.tabs() == []


def test_a_page_that_speaks_nonsense_is_shut_out(page: Web) -> None:
    base = f"127.0.0.1:{page.port}"

    async def talk(said: str) -> tuple[bytes, int | None]:
        url = f"ws://{base}{page.path}ws?width=999999&height=x"
        async with (
            ClientSession() as session,
            session.ws_connect(url, origin=f"http://{base}") as socket,
        ):
            first = (await socket.receive(20)).data
            await socket.send_str(json.dumps(["resize", {"width": 10**9, "height": -5}]))
            await socket.send_str(json.dumps(["focus", None]))
            await socket.send_str(json.dumps(["ping", 7]))
            while (message := await socket.receive(20)).data != '["pong", 7]':
                assert message.data is not None
            await socket.send_str(said)
            while (await socket.receive(20)).data is not None and not socket.closed:
                pass
            return first, socket.close_code

    for said in ("{", "[]", "7", '["stdin", 7]' * 2, '{"stdin": 1}'):
        first, code = asyncio.run(talk(said))
        assert first.startswith(b"\x1b"), "the console draws"
        assert code == 1008, said

    async def strange() -> None:
        async with ClientSession() as session:
            await session.ws_connect(f"ws://{base}{page.path}ws", origin="http://localhost:1")

    with pytest.raises(WSServerHandshakeError):
        asyncio.run(strange())
    wait_until(lambda: page.tabs() == [], "no console is left")


def test_its_end_takes_the_consoles_along(engine: EngineRun) -> None:
    page = Web(engine, "-p", str(free_port()), "--logs", "api:a")
    base = f"127.0.0.1:{page.port}"

    async def attach() -> int:
        async with (
            ClientSession() as session,
            session.ws_connect(f"ws://{base}{page.path}ws", origin=f"http://{base}") as socket,
        ):
            await socket.receive(20)
            (console,) = page.tabs()
            assert console.cmdline()[-3:] == ["console", "--logs", "api:a"]
            assert await asyncio.to_thread(page.end) == 0
            return console.pid

    assert not psutil.pid_exists(asyncio.run(attach()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data-dir", "/nowhere", "web"], "Failed to connect to server"),
        (["web", "-p", "70000"], "70000 is not in 0..=65535"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], said: str) -> None:
    done = subprocess.run([TEN, *words], capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert said in done.stderr


def test_a_busy_port_is_said(engine: EngineRun, page: Web) -> None:
    command = [TEN, "--data-dir", engine.data_dir, "web", "-p", str(page.port)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{page.port}: Address already in use" in done.stderr


def test_without_the_extra_it_says_what_to_install(
    engine: EngineRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError('aiohttp', name='aiohttp')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "-m", "ten_tui.cli", "--data-dir", engine.data_dir, "web"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "`ten web` needs textual-serve" in done.stderr
    assert 'pip install "ten-tui[web]"' in done.stderr
