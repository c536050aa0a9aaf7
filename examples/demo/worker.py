"""A worker: bursts of jobs with logs of every kind, JSON, colours, stack traces, long lines."""

import json
import os
import random
import socket
import sys
import threading
import time
import traceback

JOBS = ("resize", "export", "invoice", "sync", "backup")


def serve_probe() -> None:
    """Accept on $PORT: the engine's probe is a TCP connect."""
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        listening.accept()[0].close()


def burst() -> None:
    """Do a handful to a few hundred jobs."""
    for number in range(random.choice((5, 20, 20, 60, 300))):
        job = random.choice(JOBS)
        took = random.lognormvariate(2, 1)
        record = {"level": "info", "job": job, "number": number, "ms": round(took, 1)}
        if took > 40:
            record["level"] = "warning"
            record["message"] = "slow job"
        print(json.dumps(record))
        if random.random() < 0.01:
            print(f"\x1b[33mWARN\x1b[0m  {job}: retrying in 2 s")
        if random.random() < 0.004:
            fail(job)
        time.sleep(0.002)
    print("\x1b[32mdone\x1b[0m  queue is empty")
    if random.random() < 0.2:
        print("queue state: " + " ".join(f"{job}=0" for job in JOBS * 40))


def fail(job: str) -> None:
    """Write a real stack trace."""
    try:
        json.loads('{"job": ' + job)
    except ValueError:
        print(f"error: {job} failed", file=sys.stderr)
        traceback.print_exc()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    threading.Thread(target=serve_probe, daemon=True).start()
    while True:
        burst()
        time.sleep(random.uniform(1, 6))
