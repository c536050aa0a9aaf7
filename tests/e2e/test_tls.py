"""HTTPS by a real Caddy in front: its own CA, certificates from files, and deaths."""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import caddy
from tests.certs import der_of, make_certificate
from tests.e2e.engine_run import TENANT, EngineRun, free_port, wait_until
from tests.require import require, require_program

WEBSOCKET = Path(__file__).parent / "programs" / "websocket.py"

Make = Callable[[str], EngineRun]


def config(more: str) -> str:
    return f"""
[settings.tls]
https_port = {free_port()}
http_port = {free_port()}
{more}

[service.web]
command = "{TENANT}"
health = "/health"
isolation = "process"
stop_grace = 1

[service.talk]
command = "/usr/bin/python3 {WEBSOCKET}"
isolation = "process"
stop_grace = 1

[instances]
web = ["a", "b"]
talk = ["a"]
"""


class Tls:
    """A run with TLS, and a client of it."""

    def __init__(self, run: EngineRun) -> None:
        probe = ["/usr/bin/python3", "-c", "import websockets"]
        is_there = subprocess.run(probe, capture_output=True).returncode == 0
        require(is_there, "no websockets", "apt-get install python3-websockets")
        reason, fix = caddy.why_missing()
        require(not reason, reason, fix)
        self.run = run
        text = run.config.read_text()
        self.https, self.http = (
            int(re.search(rf"{name}_port = (\d+)", text)[1])  # type: ignore[index]
            for name in ("https", "http")
        )

    def start(self) -> None:
        self.run.start("--tls")
        for name in ("web:a", "web:b", "talk:a"):
            self.run.wait_state(name, "healthy")
        wait_until(lambda: self.status()["running"], "caddy runs")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.run.get("/api/tls/status")
        return found

    def connect(self, host: str, *, alpn: str = "http/1.1") -> ssl.SSLSocket:
        """Shake hands, naming the host, without asking who signed."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([alpn])
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=20)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection(host, self.https, timeout=20)
        connection.sock = self.connect(host)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def certificate(self, host: str) -> bytes:
        with self.connect(host) as link:
            return link.getpeercert(binary_form=True) or b""

    def curl(self, host: str, path: str, *arguments: str) -> str:
        """Ask by curl, which trusts the CA of this Caddy alone."""
        root = self.run.data_dir / "acme" / "pki" / "authorities" / "local" / "root.crt"
        command = [require_program("curl"), "-sS", "--max-time", "20", "--cacert", str(root)]
        command += ["--resolve", f"{host}:{self.https}:127.0.0.1", *arguments]
        done = subprocess.run(
            [*command, f"https://{host}:{self.https}{path}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_hosts_have_certificates_of_the_ca_and_strangers_none(make_engine: Make) -> None:
    tls = Tls(make_engine(config("internal = true")))
    tls.start()
    said = "%{http_version} %{http_code}"
    for host in ("localhost", "web.localhost", "a.web.localhost", "b.web.localhost"):
        assert tls.curl(host, "/health", "-o", os.devnull, "-w", said) == "2 200", host
    for host in ("nothing.localhost", "new.web.localhost", "example.com", "x.a.web.localhost"):
        with pytest.raises(ssl.SSLError):
            tls.connect(host)
    assert "web:new" not in tls.run.instances()
    head = tls.curl("a.web.localhost", "/", "-D", "-", "-o", os.devnull, "--http1.1").lower()
    assert f'alt-svc: h3=":{tls.https}"' in head

    connection = http.client.HTTPConnection("127.0.0.1", tls.http, timeout=20)
    connection.request("GET", "/a?b=c", headers={"Host": "a.web.localhost"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    where = f"https://a.web.localhost:{tls.https}/a?b=c"
    assert (answer.status, answer.getheader("Location")) == (308, where)

    if os.geteuid() == 0:
        status = Path(f"/proc/{tls.status()['pid']}/status").read_text()
        assert "Uid:\t61182\t61182\t61182\t61182" in status
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
    folder = tls.run.data_dir / "run" / "caddy"
    for name in ("caddy.json", "admin.sock"):
        assert (folder / name).stat().st_mode & 0o077 == 0
    assert tls.run.stop() == 0
    assert not [name for name in os.listdir(folder) if name != "caddy.log"]


def test_certificates_from_files_by_name_and_renewed_under_way(make_engine: Make) -> None:
    run = make_engine(config(""))
    a = make_certificate(run.folder, "a", "a.web.localhost")
    b = make_certificate(run.folder, "b", "b.web.localhost", "*.talk.localhost")
    entries = ", ".join(f'{{ cert = "{c.name}", key = "{k.name}" }}' for c, k in (a, b))
    text = run.config.read_text()
    run.config.write_text(text.replace("http_port", f"certificates = [{entries}]\nhttp_port", 1))
    tls = Tls(run)
    tls.start()
    assert tls.certificate("a.web.localhost") == der_of(a[0])
    assert tls.certificate("b.web.localhost") == der_of(b[0])
    before, pid = der_of(a[0]), tls.status()["pid"]

    talk = subprocess.Popen(
        ["/usr/bin/python3", WEBSOCKET, "a.talk.localhost", str(tls.https)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert talk.stdin is not None
    assert talk.stdout is not None
    assert talk.stdout.readline() == "https 127.0.0.2, 127.0.0.1\n"
    fresh = make_certificate(run.folder, "fresh", "a.web.localhost")

    # Half of a renewal is refused, and what was there goes on.
    shutil.copyfile(fresh[0], a[0])
    wait_until(lambda: tls.status()["error"], "the half is told")
    assert "is not the key of that certificate" in tls.status()["error"]
    assert tls.certificate("a.web.localhost") == before
    slow: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: slow.append(tls.get("b.web.localhost", "/slow")))
    asking.start()
    time.sleep(0.2)
    shutil.copyfile(fresh[1], a[1])
    wait_until(lambda: tls.certificate("a.web.localhost") == der_of(fresh[0]), "renewed")
    wait_until(lambda: not tls.status()["error"], "nothing is wrong any more")
    asking.join()
    assert slow == [(200, "ok")]
    assert talk.communicate("still there\n", timeout=20)[0] == "still there\n"
    assert tls.status()["pid"] == pid
    assert run.stop() == 0


def test_engine_and_caddy_killed(make_engine: Make) -> None:
    tls = Tls(make_engine(config("internal = true")))
    tls.start()
    assert tls.get("a.web.localhost", "/health")[0] == 200
    pid = tls.status()["pid"]
    wrk = require_program("wrk")
    command = [wrk, "-t1", "-c8", "-d6s", "-H", "Host: a.web.localhost"]
    load = subprocess.Popen(
        [*command, f"https://localhost:{tls.https}/"], stdout=subprocess.PIPE, text=True
    )
    for _ in range(3):
        time.sleep(0.7)
        tls.run.kill_engine()
    output = load.communicate(timeout=60)[0]
    assert "Socket errors" not in output, output
    assert "Non-2xx" not in output, output
    assert int(re.search(r"(\d+) requests in", output)[1]) > 200, output  # type: ignore[index]
    wait_until(lambda: tls.status()["pid"] == pid, "the new engine finds the same caddy")

    os.kill(pid, signal.SIGKILL)
    assert tls.get("a.web.localhost", "/health")[0] == 200  # it waited in the socket
    wait_until(lambda: tls.status()["pid"] not in {0, pid}, "another caddy")
    wait_until(
        lambda: [it for it in tls.run.events() if f"caddy (pid {pid}) ended" in it["text"]],
        "its end is told",
    )
    tls.run.kill_keeper()
    wait_until(lambda: not _listens(tls.https), "caddy ends with the keeper")
    tls.start()
    assert tls.get("a.web.localhost", "/health")[0] == 200
    assert tls.run.stop() == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
