"""The HTTP API of a real engine: the peer's routes and ours, right and wrong, by credential."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests import leaks
from tests.e2e.engine_run import TENANT, EngineRun, Unix, wait_until
from tests.require import require_root

pytestmark = pytest.mark.shares_engine

CONFIG = f"""
[settings]
health_check_interval = 1
[service.api]
command = "{TENANT} --lines 20"
health = "/health"
isolation = "process"
[service.other]
command = "{TENANT}"
isolation = "process"
max_instances = 3
[instances]
api = ["alice", "bob"]
other = ["alice"]
"""

Answer = tuple[int, dict[str, str], bytes]


class Api:
    """The engine, its tokens, and requests by either way."""

    def __init__(self, run: EngineRun) -> None:
        self.run = run
        self.admin = self._token()
        self.tenant = self._token("--tenant", "alice")
        self.reader = self._token("--read-only")

    def _token(self, *options: str) -> str:
        command = [sys.executable, "-P", "-m", "engine", "token-gen", *options]
        command += ["--config", str(self.run.config), "--data-dir", str(self.run.data_dir)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return next(line.strip() for line in out.splitlines() if line.startswith("  "))

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        kind: str = "application/json",
        raw: bytes | None = None,
    ) -> Answer:
        """Ask over TCP with a token ("" for none), or on the socket where token is None."""
        run = self.run
        link: http.client.HTTPConnection
        if token is None:
            link = Unix(os.path.realpath(run.data_dir / "run" / "ten.sock"))
        else:
            link = http.client.HTTPConnection("127.0.0.1", run.port, timeout=20)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            data = raw if raw is not None else None if body is None else json.dumps(body).encode()
            if data is not None and kind:
                headers["Content-Type"] = kind
            link.request(method, path, data, headers)
            answer = link.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            link.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    before = leaks.look()
    run = EngineRun(tmp_path_factory.mktemp("api"), CONFIG)
    run.start()
    try:
        for name in ("api:alice", "api:bob", "other:alice"):
            run.wait_state(name, "healthy")
        yield Api(run)
    finally:
        run.end()
    assert leaks.wait_clean(before) == {}


def test_instances_have_every_field_of_the_peer(api: Api) -> None:
    status, headers, body = api.ask("GET", "/api/instances")
    assert (status, headers["content-type"]) == (200, "application/json")
    found = {each["id"]: each for each in json.loads(body)}
    assert set(found["api:alice"]) >= {
        "id",
        "socket",
        "uptime_secs",
        "idle_secs",
        "restarts",
        "health",
        "storage_used_bytes",
        "storage_quota_bytes",
        "weight",
    }
    assert found["api:alice"]["health"] == "healthy"
    assert found["api:alice"]["socket"].startswith("127.0.0.1:")


def test_spawn_of_a_running_one_changes_nothing(api: Api) -> None:
    before = api.run.instance("api:alice")["pid"]
    status, _, body = api.ask(
        "POST", "/api/instances/spawn", {"process": "api", "id": "alice"}, token=api.admin
    )
    assert status == 200
    assert json.loads(body)["instance"] == "api:alice"
    assert isinstance(json.loads(body)["port"], int)
    assert api.run.instance("api:alice")["pid"] == before


def test_weight_is_echoed_and_capped(api: Api) -> None:
    status, _, body = api.ask("PUT", "/api/instances/api:bob/weight", {"weight": 250})
    assert (status, json.loads(body)) == (200, {"instance": "api:bob", "weight": 250})
    assert api.run.instance("api:bob").get("weight", 100) == 100
    assert api.ask("PUT", "/api/instances/api:bob/weight", {"weight": 7})[0] == 200
    assert api.run.instance("api:bob")["weight"] == 7


def test_stop_undo_and_restart(api: Api) -> None:
    pid = api.run.instance("api:bob")["pid"]
    assert api.ask("DELETE", "/api/instances/api:bob?hold=10")[0] == 204
    assert api.run.state("api:bob") == "draining"
    assert api.ask("POST", "/api/v1/instances/api:bob/undo")[0] == 200
    assert api.run.wait_state("api:bob", "healthy")["pid"] == pid
    assert api.ask("POST", "/api/instances/api:bob/restart")[0] == 200
    assert api.run.wait_state("api:bob", "healthy")["pid"] != pid


WRONG: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/api/nothing", None, 404, "Not found"),
    ("POST", "/api/instances", None, 405, ""),
    ("DELETE", "/api/instances/api:nobody", None, 404, "error"),
    ("DELETE", "/api/instances/nocolon", None, 400, "Expected format: process:id"),
    ("PUT", "/api/instances/api:nobody/weight", {"weight": 1}, 404, "error"),
    ("PUT", "/api/instances/api:alice/weight", {"weight": 256}, 422, ""),
    ("PUT", "/api/instances/api:alice/weight", {"weight": -1}, 422, ""),
    ("PUT", "/api/instances/api:alice/weight", {"weight": "1"}, 422, ""),
    ("PUT", "/api/instances/api:alice/weight", {}, 422, ""),
    ("POST", "/api/instances/spawn", {"process": "nobody", "id": "x"}, 500, "Unknown process"),
    ("POST", "/api/instances/spawn", {"process": "api", "id": "../../esc"}, 500, ""),
    ("POST", "/api/instances/spawn", {"process": "api"}, 422, "id"),
    ("GET", "/api/logs?limit=x", None, 400, ""),
    ("GET", "/api/v1/logs/api:nobody/window", None, 404, ""),
    ("POST", "/api/v1/instances/api:alice/undo", None, 409, ""),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "text"), WRONG)
def test_wrong_input_is_told_and_changes_nothing(
    api: Api, method: str, path: str, body: Any, status: int, text: str
) -> None:
    before = {name: each.get("pid") for name, each in api.run.instances().items()}
    found, _, answer = api.ask(method, path, body)
    assert text in answer.decode()
    if path.endswith("spawn") and status == 500:
        assert 400 <= found <= 500
    else:
        assert found == status
    assert {name: each.get("pid") for name, each in api.run.instances().items()} == before


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b'{"process":"api","id":"x"}', "text/plain", 415),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
    ],
    ids=["type", "syntax", "shape"],
)
def test_json_faults_are_plain_text(api: Api, raw: bytes, kind: str, status: int) -> None:
    found, headers, _ = api.ask("POST", "/api/instances/spawn", raw=raw, kind=kind)
    assert found == status
    assert headers["content-type"].startswith("text/plain")


def test_a_body_past_two_megabytes_is_refused_before_it_is_read(api: Api) -> None:
    link = Unix(os.path.realpath(api.run.data_dir / "run" / "ten.sock"))
    link.putrequest("POST", "/api/instances/spawn")
    link.putheader("Content-Type", "application/json")
    link.putheader("Content-Length", str(2 * 1024 * 1024 + 1))
    link.endheaders()
    assert link.getresponse().status == 413
    link.close()


def test_over_tcp_nothing_is_told_without_a_token(api: Api) -> None:
    for path in ("/api/instances", "/api/v1/snapshot", "/api/nothing", "/api/logs"):
        assert api.ask("GET", path, token="") == (401, *api.ask("GET", path, token="")[1:2], b"")
    assert api.ask("GET", "/health", token="")[0] == 200
    assert api.ask("GET", "/api/instances", token="x" * 43)[0] == 401
    assert api.ask("GET", "/api/instances", token=api.admin)[0] == 200


def test_tenant_reaches_its_own_only(api: Api) -> None:
    listed = json.loads(api.ask("GET", "/api/instances", token=api.tenant)[2])
    assert {each["id"] for each in listed} == {"api:alice", "other:alice"}
    assert api.ask("GET", "/api/instances/api:alice/health", token=api.tenant)[0] == 200
    status, _, body = api.ask("DELETE", "/api/instances/api:bob", token=api.tenant)
    assert status == 403
    assert json.loads(body)["error"] == "Tenant token can only access instance 'alice'"
    for method, path, sent in (
        ("POST", "/api/instances/api:bob/restart", None),
        ("PUT", "/api/instances/api:bob/weight", {"weight": 1}),
        ("GET", "/api/instances/api:bob/health", None),
        ("GET", "/api/instances/api:bob/storage", None),
        ("POST", "/api/instances/spawn", {"process": "api", "id": "bob"}),
        ("POST", "/api/deploy", {"process": "api", "version": "alice"}),
        ("POST", "/api/route", {"process": "api", "from": "alice", "to": "bob"}),
        ("GET", "/api/v1/logs/api:bob/window", None),
        ("GET", "/api/v1/logs/api:bob/raw", None),
        ("POST", "/api/v1/config/reload", None),
    ):
        assert api.ask(method, path, sent, token=api.tenant)[0] == 403, path
    for path in ("/api/v1/config", "/api/v1/snapshot"):
        answer = api.ask("GET", path, token=api.tenant)[2].decode()
        assert "[service" not in answer
        assert "bob" not in answer
    lines = json.loads(api.ask("GET", "/api/logs?limit=50", token=api.tenant)[2])
    assert {line["instance_id"] for line in lines} == {"alice"}
    lines = json.loads(api.ask("GET", "/api/logs?process=api&id=bob", token=api.tenant)[2] or b"[]")
    assert not isinstance(lines, list) or lines == []


def test_reader_may_look_and_change_nothing(api: Api) -> None:
    assert api.ask("GET", "/api/v1/snapshot", token=api.reader)[0] == 200
    pid = api.run.instance("api:alice")["pid"]
    for method, path, sent in (
        ("POST", "/api/instances/api:alice/restart", None),
        ("DELETE", "/api/instances/api:alice", None),
        ("PUT", "/api/instances/api:alice/weight", {"weight": 1}),
        ("POST", "/api/instances/spawn", {"process": "api", "id": "new"}),
        ("POST", "/api/v1/config/reload", None),
    ):
        assert api.ask(method, path, sent, token=api.reader)[0] == 403, path
    assert api.run.instance("api:alice")["pid"] == pid


def test_bad_tokens_are_slowed_but_a_valid_one_is_never_locked_out(api: Api) -> None:
    seen = {api.ask("GET", "/api/instances", token=f"{n:043d}")[0] for n in range(30)}
    assert seen == {401, 429}
    assert api.ask("GET", "/api/instances", token=api.admin)[0] == 200


def test_logs_are_the_peers_records(api: Api) -> None:
    wait_until(lambda: len(json.loads(api.ask("GET", "/api/logs?limit=5")[2])) == 5, "lines")
    records = json.loads(api.ask("GET", "/api/logs?process=api&id=alice&limit=5")[2])
    assert len(records) == 5
    assert set(records[0]) >= {"timestamp", "level", "process", "instance_id", "message"}
    assert [r["timestamp"] for r in records] == sorted(r["timestamp"] for r in records)
    errors = json.loads(api.ask("GET", "/api/logs?level=stderr&process=api&limit=3")[2])
    assert {record["level"] for record in errors} == {"stderr"}
    found = json.loads(api.ask("GET", "/api/logs?search=0000000&process=api&id=alice")[2])
    assert found
    assert all("0000000" in record["message"] for record in found)


def test_log_windows_follow_by_number(api: Api) -> None:
    window = json.loads(api.ask("GET", "/api/v1/logs/api:alice/window?count=3")[2])
    end = window["end"]
    path = f"/api/v1/logs/api:alice/window?first={end}&count=5&after={end}&wait=5"
    later = json.loads(api.ask("GET", path)[2])
    assert later["end"] > end
    assert later["lines"][0][0] == end
    match = json.loads(api.ask("GET", "/api/v1/logs/api:alice/search?text=line&first=0")[2])
    assert match["lines"][0][3].startswith("line 0000000")


def test_events_stream_of_logs_is_lossless(api: Api) -> None:
    link = Unix(os.path.realpath(api.run.data_dir / "run" / "ten.sock"))
    link.request("GET", "/api/logs/stream?process=api&id=alice")
    answer = link.getresponse()
    assert answer.getheader("Content-Type", "").startswith("text/event-stream")
    numbers = []
    while len(numbers) < 25:
        line = answer.readline()
        if line.startswith(b"data:"):
            record = json.loads(line[5:])
            numbers.append(int(record["message"].split()[1]))
    link.close()
    assert numbers == list(range(numbers[0], numbers[0] + 25))


def test_stream_of_updates_begins_with_everything(api: Api) -> None:
    link = Unix(os.path.realpath(api.run.data_dir / "run" / "ten.sock"))
    link.request("GET", "/api/v1/stream")
    answer = link.getresponse()
    first = json.loads(answer.readline())
    assert first["type"] == "snapshot"
    assert {each["name"] for each in first["instances"]} >= {"api:alice", "api:bob"}
    kinds = set()
    while "samples" not in kinds:
        kinds.add(json.loads(answer.readline())["type"])
    link.close()


def test_metrics_and_telemetry_are_for_loopback_without_a_token(api: Api) -> None:
    status, headers, body = api.ask("GET", "/metrics", token="")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"tenement_instances_up" in body
    telemetry = json.loads(api.ask("GET", "/api/telemetry", token="")[2])
    assert telemetry["summary"]["total_instances"] == 3


def test_deploy_waits_for_health_and_route_swaps(api: Api) -> None:
    deployed = {"process": "api", "version": "v2", "weight": 30, "timeout": 20}
    status, _, body = api.ask("POST", "/api/deploy", deployed, token=api.admin)
    assert status == 200
    assert json.loads(body) | {"socket": ""} == {
        "instance": "api:v2",
        "socket": "",
        "weight": 30,
        "status": "healthy",
    }
    swap = {"process": "api", "from": "alice", "to": "v2"}
    status, _, body = api.ask("POST", "/api/route", swap, token=api.admin)
    assert status == 200
    assert json.loads(body) == {
        "from_instance": "api:alice",
        "to_instance": "api:v2",
        "from_weight": 0,
        "to_weight": 100,
    }
    assert api.run.instance("api:alice")["weight"] == 0
    assert api.ask("DELETE", "/api/instances/api:v2")[0] == 204


def test_other_users_of_the_host_are_refused(api: Api) -> None:
    if os.geteuid() != 0:
        # Their files are not even theirs to open; what root can show is the engine's own refusal.
        assert (api.run.data_dir / "run").stat().st_mode & 0o077 == 0
        return
    program = (
        "import os, socket, sys\n"
        "link = socket.socket(socket.AF_UNIX)\n"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534)\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "try:\n"
        "    link.connect(sys.argv[1])\n"
        "except PermissionError:\n"
        "    print('refused')\n"
    )
    socket_path = os.path.realpath(api.run.data_dir / "run" / "ten.sock")
    done = subprocess.run(
        [sys.executable, "-c", program, socket_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "refused"


def test_a_program_in_a_pid_namespace_of_its_own_is_not_taken_for_root(api: Api) -> None:
    require_root()
    path = os.path.realpath(api.run.data_dir / "run" / "ten.sock")
    ask = ["curl", "-s", "--unix-socket", path, "http://x/api/v1/config"]
    assert '"text"' in subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    inside = ["unshare", "--pid", "--fork", *ask]
    answer = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
    assert "PID namespace" in answer
    assert '"text"' not in answer
