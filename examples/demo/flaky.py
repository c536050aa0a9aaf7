"""A program that does not last: every 20 to 60 seconds it ends, each time in another way."""

import os
import random
import signal
import socket
import sys
import threading
import time


def serve_probe() -> None:
    """Accept on $PORT: the engine's probe is a TCP connect."""
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        listening.accept()[0].close()


def end() -> None:
    """End somehow."""
    way = random.choice(("exception", "exit", "abort", "killed"))
    print(f"error: out of luck, ending by {way}", file=sys.stderr, flush=True)
    if way == "exception":
        raise RuntimeError("the ledger does not balance")
    if way == "exit":
        sys.exit(3)
    # PID 1 of a namespace is the engine's; this program is not, and can signal itself.
    os.kill(os.getpid(), signal.SIGABRT if way == "abort" else signal.SIGKILL)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    threading.Thread(target=serve_probe, daemon=True).start()
    lifetime = random.uniform(20, 60)
    print("flaky is up; for how long?")
    started = time.monotonic()
    while time.monotonic() - started < lifetime:
        print(f"still here after {time.monotonic() - started:.0f} s")
        time.sleep(random.uniform(1, 4))
    end()
