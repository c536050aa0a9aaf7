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
LEVELS = ("debug", "info", "info", "info", "info")
RED, GREEN, YELLOW, OFF = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"


def serve_probe() -> None:
    """Accept on $PORT: the engine's probe is a TCP connect."""
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        listening.accept()[0].close()


def burst() -> None:
    """Do a handful to a few hundred jobs."""
    jobs = random.choice((5, 20, 20, 60, 300))
    for number in range(jobs):
        job = random.choice(JOBS)
        do(job, number)
        time.sleep(0.002)
    print(f"{GREEN}done{OFF}  {jobs} jobs, the queue is empty")
    if random.random() < 0.2:
        print("queue state: " + " ".join(f"{job}-{shard}=0" for job in JOBS for shard in range(40)))


def do(job: str, number: int) -> None:
    """Do one job and say so."""
    took = random.lognormvariate(2, 1)
    record = {"level": random.choice(LEVELS), "job": job, "number": number, "ms": round(took, 1)}
    if took > 40:
        record |= {"level": "warning", "message": "slow job"}
    print(json.dumps(record))
    if random.random() < 0.01:
        print(f"{YELLOW}WARN{OFF}  {job}: upstream is busy, trying again in 2 s")
    if random.random() < 0.004:
        fail(job)


def fail(job: str) -> None:
    """Write a real stack trace."""
    try:
        json.loads('{"job": ' + job)
    except ValueError:
        print(f"{RED}ERROR{OFF} {job} failed, it goes back into the queue", file=sys.stderr)
        traceback.print_exc()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    threading.Thread(target=serve_probe, daemon=True).start()
    while True:
        burst()
        time.sleep(random.uniform(1, 6))
