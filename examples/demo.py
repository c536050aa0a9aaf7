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
from ten_tui.client import Client, connect, find_engine

HERE = Path(__file__).resolve().parent / "demo"
BIN = Path(sys.executable).parent
ADDRESS = "127.0.0.1"
PORT = 8080
WAIT_SECONDS = 60
LOG_LINES = 12
ENGINE_LOG = HERE / "tenement-data" / "run" / "log" / "engine.log"

# These come and go; that is what they are there to show.
RESTLESS = {
    "flaky:canary": {State.HEALTHY, State.STARTING, State.BACKOFF},
    "sleepy:archive": {State.HEALTHY, State.STARTING, State.ASLEEP, State.DRAINING},
}


def main() -> int:
    """Run what the arguments say: `--stop`, or the demo."""
    if sys.argv[1:] == ["--stop"]:
        return stop()
    if sys.argv[1:]:
        print("usage: demo.py [--stop]", file=sys.stderr)
        return 2
    is_new = not is_running()
    if is_new and (failed := start()):
        return failed
    if sys.stdin.isatty() and sys.stdout.isatty():
        return attach()
    try:
        return show()
    finally:
        if is_new:
            ten("down")


def start() -> int:
    """Start the engine in the background; its status, 0 once it answers."""
    port = free_port()
    failed = ten("up", "--detach", "--bind", ADDRESS, "--port", str(port), door=f"{ADDRESS}:{port}")
    if failed:
        print_tail(ENGINE_LOG)
    return failed


def stop() -> int:
    """Stop the demo, if it runs."""
    if not is_running():
        print("The demo does not run.")
        return 0
    return ten("down")


def attach() -> int:
    """Open the console, and say on leaving it that all goes on."""
    code = ten("console")
    if is_running():
        print("The demo goes on. `make demo` comes back to it, `make demo-stop` ends it.")
    return code


def show() -> int:
    """Wait until all is up and the logs move; print what runs. 1 if something did not come up."""
    with connect(find_engine(HERE, environ={})) as client:
        late = wait_until_up(client)
    ten("ps")
    print(flush=True)
    ten("logs", "--limit", str(LOG_LINES))
    for view in late:
        print(f"\n{view.name} did not come up: {view.why.summary if view.why else view.state}")
        ten("logs", view.name, "--limit", "20")
    if late:
        print_tail(ENGINE_LOG)
    return 1 if late else 0


def wait_until_up(client: Client) -> list[InstanceView]:
    """Give the instances that are still not up after a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        views = client.instances()
        late = [view for view in views if view.state not in fine_states(view.name)]
        if views and not late and has_visits(client):
            return []
        if time.monotonic() > deadline:
            return late
        time.sleep(0.2)


def fine_states(name: str) -> set[State]:
    """Give the states in which an instance does what it is here for."""
    return RESTLESS.get(name, {State.HEALTHY})


def has_visits(client: Client) -> bool:
    """Tell whether requests have come through the door to a tenant."""
    try:
        return client.log_window("notes:alice", count=10).end > 3
    except TenError:
        return False  # it has written nothing yet


def is_running() -> bool:
    """Tell whether the demo's engine answers."""
    try:
        with connect(find_engine(HERE, environ={})) as client:
            return client.is_up()
    except TenError:
        return False


def free_port() -> int:
    """Give 8080, or where something else has it a port that is free."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return PORT


def print_tail(log: Path) -> None:
    """Print the last lines of a log, where there is one."""
    if log.exists():
        print(f"\n{log}:")
        print("\n".join(log.read_text(errors="replace").splitlines()[-20:]), flush=True)


def ten(*words: str, door: str = "") -> int:
    """Run a `ten` command in the example's folder.

    The visitors learn by $DOOR where the door is; `python3` is the one that runs this.
    """
    sys.stdout.flush()
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    # What the user's shell says about another engine must not lead the demo to it.
    for name in ("TENEMENT_SERVER", "TENEMENT_TOKEN", "TENEMENT_DATA_DIR"):
        env.pop(name, None)
    if door:
        env["DOOR"] = door
    return subprocess.run([BIN / "ten", *words], cwd=HERE, env=env, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TenError as error:
        sys.exit(f"Error: {error}\n  {error.hint}" if error.hint else f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
