"""The peer's program, in an environment of its own, and a server of it."""

import os
import subprocess
import time
from pathlib import Path

from tests.e2e.engine_run import free_port
from tests.installed import installed


def peer_program() -> str:
    """Give its path. TEN_PEER names another."""
    return os.environ.get("TEN_PEER") or str(installed("peer", "set TEN_PEER to it") / "ten")


class PeerServer:
    """The peer's own `serve`, on a project of its own."""

    def __init__(self, program: str, folder: Path, config: str) -> None:
        self.program = program
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        (folder / "tenement.toml").write_text(config)
        # Before it serves: the two open the same database, and one may find it locked.
        made = self.run("token-gen")
        assert made.returncode == 0, made
        self._output = folder / "serve.log"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [program, "serve", "-p", str(self.port)], cwd=folder, stdout=output, stderr=output
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run its client in its folder."""
        return subprocess.run(
            [self.program, "--server", self.url, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 20
        while (ran := self.run("ps")).returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = self._output.read_text(errors="replace")
                raise AssertionError(f"the peer's server does not answer: {ran}\n{said}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
