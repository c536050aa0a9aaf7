"""`make demo`: run examples/demo for real and open the console on it.

With a terminal the console opens; leaving it leaves the engine running, as everywhere.
Without one: wait until everything declared is up, print the state, stop, and exit with 0.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from engine.core.errors import TenError
from engine.core.wire import InstanceView, State
from ten_tui.client import connect, find_engine

HERE = Path(__file__).parent / "demo"
TEN = Path(sys.executable).with_name("ten")
PORT = 8080
WAIT_SECONDS = 60
# These come and go; that is what they are there to show.
RESTLESS = {"flaky", "sleepy"}


def main() -> int:
    """Run what the arguments say: `--stop`, or the demo."""
    if sys.argv[1:] == ["--stop"]:
        return ten("down")
    if sys.argv[1:]:
        print("usage: demo.py [--stop]", file=sys.stderr)
        return 2
    is_new = not is_running()
    if is_new and (failed := ten("up", "--detach", "--port", str(port := free_port()), port=port)):
        return failed
    if sys.stdin.isatty() and sys.stdout.isatty():
        code = ten("console")
        print("The demo goes on. `make demo` comes back to it, `make demo-stop` ends it.")
        return code
    try:
        return show()
    finally:
        if is_new:
            ten("down")


def show() -> int:
    """Wait until all is up and the logs move; print what runs. 1 if something did not come up."""
    late = wait_until_up()
    ten("ps")
    print()
    ten("logs", "--limit", "12")
    for view in late:
        print(f"{view.name} did not come up: {view.why.summary if view.why else view.state}")
        ten("logs", view.name, "--limit", "20")
    return 1 if late else 0


def wait_until_up() -> list[InstanceView]:
    """Give the instances that are still not up after a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with connect(find_engine(HERE)) as client:
            views = client.instances()
            lines = len(client.log_window("notes:alice").lines) if views else 0
        late = [
            view
            for view in views
            if view.service not in RESTLESS and view.state is not State.HEALTHY
        ]
        if (views and not late and lines > 3) or time.monotonic() > deadline:
            return late
        time.sleep(0.2)


def is_running() -> bool:
    """Tell whether the demo's engine answers."""
    try:
        with connect(find_engine(HERE)) as client:
            return client.is_up()
    except TenError:
        return False


def free_port() -> int:
    """Give 8080, or where something else has it a port that is free."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return PORT


def ten(*words: str, port: int = PORT) -> int:
    """Run a `ten` command in the example's folder; the visitors learn the door's port by $DOOR."""
    sys.stdout.flush()
    env = {**os.environ, "DOOR": f"127.0.0.1:{port}"}
    return subprocess.run([TEN, *words], cwd=HERE, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
