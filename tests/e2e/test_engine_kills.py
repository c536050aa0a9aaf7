"""An instance killed under load costs its clients time, not errors."""

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

INTERVAL = 1.0
START = 1.5
"""Of the tenant's program, generously: a Python that listens."""

CONFIG = f"""
[settings]
health_check_interval = 1
backoff_base_ms = 50
max_restarts = 20

[service.web]
command = "{TENANT}"
isolation = "process"
health = "/health"
restart = "always"

[instances]
web = ["a"]
"""

Make = Callable[[str], EngineRun]


class Load(threading.Thread):
    """Requests one after another on a connection that is kept, or a new one for each."""

    def __init__(self, port: int, *, keeps: bool, path: str) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._keeps = keeps
        self._path = path
        self.is_over = False
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.is_over:
                self._ask()
        except (OSError, http.client.HTTPException) as error:
            self.error = error
        finally:
            self._connection.close()

    def _ask(self) -> None:
        began = time.monotonic()
        self._connection.request("GET", self._path, headers={"Host": "a.web.localhost"})
        answer = self._connection.getresponse()
        answer.read()
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[answer.status] += 1
        if not self._keeps:
            self._connection.close()


def test_an_instance_killed_under_load_fails_no_request(make_engine: Make) -> None:
    """Each request waits for at most a health interval and a start; none is answered 5xx."""
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("web:a", "healthy")
    loads = [Load(run.port, keeps=number % 2 == 0, path="/") for number in range(6)]
    loads += [Load(run.port, keeps=True, path="/slow") for _ in range(2)]
    for load in loads:
        load.start()
    try:
        for _ in range(3):
            time.sleep(1.3)  # in which a slow request comes to its end
            pid = run.instance("web:a")["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda pid=pid: run.instance("web:a").get("pid") not in {0, None, pid},
                "it is started again",
            )
            run.wait_state("web:a", "healthy")
        time.sleep(0.5)
    finally:
        for load in loads:
            load.is_over = True
        for load in loads:
            load.join(20)
    assert [load.error for load in loads] == [None] * len(loads)
    assert {status for load in loads for status in load.statuses} == {200}
    assert all(sum(load.statuses.values()) > 20 for load in loads[:6])
    assert max(load.slowest for load in loads[:6]) < INTERVAL + START
    assert max(load.slowest for load in loads[6:]) < 1.0 + INTERVAL + START
