"""A real browser, driven by the DevTools protocol over a pair of pipes."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.require import require_program

PATIENCE_SECONDS = 30.0


class Chromium:
    """One browser without a window.

    Source: Chromium's --remote-debugging-pipe, descriptors 3 and 4, messages that end with NUL.
    """

    def __init__(self, folder: Path) -> None:
        program = require_program("chromium-headless-shell", "chromium-headless-shell")
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        script = f'exec "$@" 3<&{read_there} 4>&{write_there}'
        options = (
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            "--window-size=1300,900",
        )
        with (folder.parent / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "bash", program, *options, "about:blank"],
                pass_fds=(read_there, write_there),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(read_there)
        os.close(write_there)
        self._read, self._write = read_here, write_here
        self._rest = b""
        self._number = 0
        self.session = ""

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, to the page that is open where one is; give its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                found: dict[str, Any] = answer["result"]
                return found

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._read, 1 << 16)
            assert data, "the browser has ended"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found

    def open(self, url: str) -> str:
        """Open a page; what is asked from now on is asked of it. Gives its id."""
        self.session = ""
        page: str = self.ask("Target.createTarget", url=url)["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=page, flatten=True)
        self.session = attached["sessionId"]
        return page

    def close_page(self, page: str) -> None:
        self.session = ""
        self.ask("Target.closeTarget", targetId=page)

    def evaluate(self, expression: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key that is a character."""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def screenshot(self) -> bytes:
        """Give a PNG of the page."""
        return base64.b64decode(self.ask("Page.captureScreenshot")["data"])

    def wait(self, claim: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not claim():
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    def end(self) -> None:
        """Close it and all that belongs to it."""
        try:
            self.session = ""
            self.ask("Browser.close")
            self._process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, 9)
            self._process.wait()
        finally:
            os.close(self._read)
            os.close(self._write)
