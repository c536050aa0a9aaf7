"""A real `ten serve` in a folder of its own, and the means to look at it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TENANT = f"{sys.executable} -S {Path(__file__).parent / 'tenant.py'}"

START_SECONDS = 20.0

# How many times as long as elsewhere a condition may take, say on an emulated machine.
PATIENCE = float(os.environ.get("TEN_TEST_PATIENCE", "1"))


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float = 30.0) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(claim: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """Poll until a claim holds; give what it gave."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.005)
    return found


class EngineRun:
    """One data directory and the `serve` processes that held it."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.config = folder / "tenement.toml"
        self.config.write_text(config)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.known_pids: set[int] = set()

    # --- its processes ---

    def start(self, *arguments: str, doors: int = 1) -> None:
        """Serve, and wait until the API answers."""
        self.process = self.popen(*arguments, doors=doors)
        wait_until(self.answers, "the API answers", START_SECONDS)

    def popen(self, *arguments: str, doors: int = 1) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*arguments, doors=doors),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
        )

    def command(self, *arguments: str, doors: int = 1) -> list[str]:
        command = [sys.executable, "-P", "-m", "engine", "serve", "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--doors", str(doors)]
        command += ["--config", str(self.config), "--data-dir", str(self.data_dir), *arguments]
        return command

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            assert self.process.stderr is not None
            text = self.process.stderr.read().decode()
            raise AssertionError(f"serve ended with {self.process.returncode}: {text}")
        try:
            return self.get("/health") == {"status": "ok"}
        except (OSError, http.client.HTTPException):
            return False

    def pid(self, name: str) -> int:
        """Read `keeper.pid` or `engine.pid`, 0 where there is none."""
        try:
            return int((self.data_dir / "run" / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return 0

    def kill_engine(self) -> None:
        """SIGKILL the engine, and wait until another answers."""
        old = self.pid("engine")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.pid("engine") not in {0, old}, "another engine is started")
        wait_until(self.answers, "the new engine answers")

    def kill_keeper(self) -> None:
        """SIGKILL the keeper; engine and doors end with it."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.close_process()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, and wait for the end; give the exit status."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(seconds)
        return self.close_process()

    def close_process(self) -> int:
        assert self.process is not None
        status = self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process = None
        return status

    def end(self) -> None:
        """End whatever runs, by whatever it takes."""
        if self.process is None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.close_process()

    # --- its API ---

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Ask the API on the Unix socket."""
        connection = Unix(os.path.realpath(self.data_dir / "run" / "ten.sock"))
        try:
            headers = {} if body is None else {"Content-Type": "application/json"}
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, body = self.request("GET", path)
        assert status == 200, (status, body)
        return json.loads(body)

    def spawn(self, name: str) -> tuple[int, Any]:
        process, _, ident = name.partition(":")
        status, body = self.request(
            "POST", "/api/instances/spawn", {"process": process, "id": ident}
        )
        return status, json.loads(body)

    def restart(self, name: str) -> tuple[int, Any]:
        status, body = self.request("POST", f"/api/instances/{name}/restart")
        return status, json.loads(body)

    def stop_instance(self, name: str) -> int:
        return self.request("DELETE", f"/api/instances/{name}")[0]

    def instances(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.get("/api/v1/instances")}

    def instance(self, name: str) -> dict[str, Any]:
        return self.instances().get(name, {})

    def state(self, name: str) -> str:
        return str(self.instance(name).get("state", ""))

    def wait_state(self, name: str, *states: str, seconds: float = 15.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.instance(name)
            return found if found.get("state") in states else None

        try:
            found: dict[str, Any] = wait_until(look, f"{name} is {states}", seconds)
        except AssertionError as error:
            message = f"{error}; it is {self.instance(name)}\n{self.log()[-3000:]}"
            raise AssertionError(message) from error
        return found

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/v1/events?limit=1000")
        return found

    def log(self) -> str:
        path = self.data_dir / "run" / "log" / "engine.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, name: str) -> list[str]:
        """Read a whole ring, as it was written."""
        status, body = self.request("GET", f"/api/v1/logs/{name}/raw")
        assert status == 200, (status, body)
        return body.decode().splitlines()

    # --- its door ---

    def visit(
        self, host: str, path: str = "/", timeout: float = 20.0, token: str = ""
    ) -> tuple[int, str]:
        """Ask the door."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"Host": f"{host}.localhost" if host else "localhost"}
            if token:
                headers["Authorization"] = f"Bearer {token}"
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
