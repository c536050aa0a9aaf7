"""A program that does not last: every 20 to 60 seconds it ends, each time in another way."""

import os
import random
import resource
import signal
import socket
import sys
import threading
import time

LEDGER = {"alice": 12, "bob": 7}


def serve_probe() -> None:
    """Accept on $PORT: the engine's probe is a TCP connect."""
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        listening.accept()[0].close()


def end() -> None:
    """End somehow."""
    way = random.choice(("exception", "exit", "abort", "kill"))
    match way:
        case "exception":
            print(f"balance of carol: {LEDGER['carol']}")
        case "exit":
            print("fatal: the licence server said no", file=sys.stderr)
            sys.exit(random.choice((1, 3, 70)))
        case "abort":
            print("fatal: assertion 'balance >= 0' failed, aborting", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGABRT)
        case _:
            # As the kernel does when memory runs out: no last word.
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core file for each abort
    threading.Thread(target=serve_probe, daemon=True).start()
    lifetime = random.uniform(20, 60)
    print("flaky is up; for how long?")
    started = time.monotonic()
    while time.monotonic() - started < lifetime:
        print(f"still here after {time.monotonic() - started:.0f} s")
        time.sleep(random.uniform(1, 4))
    end()
