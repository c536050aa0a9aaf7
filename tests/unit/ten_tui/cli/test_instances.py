"""ten_tui.cli.instances and main: the peer's output, errors and exit codes."""

import msgspec
import pytest

from engine.core.wire import State
from ten_tui.cli.instances import age, row
from ten_tui.client.records import Running
from tests.served import Served
from tests.unit.ten_tui.cli.conftest import Ten

HEAD = "INSTANCE             LISTEN               UPTIME     IDLE       HEALTH   WEIGHT"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86399, "23h"),
        (86400, "1d"),
        (10**7, "115d"),
    ],
)
def test_ages_are_floored(seconds: int, text: str) -> None:
    assert age(seconds) == text


def test_a_row_is_padded_and_never_cut() -> None:
    one = Running(
        id="api:" + "x" * 30,
        socket="127.0.0.1:30000",
        uptime_secs=61,
        idle_secs=5,
        restarts=0,
        health="healthy",
        weight=100,
    )
    assert row(one) == (
        f"api:{'x' * 30} 127.0.0.1:30000      1m         5s         healthy  100   "
    )
    assert row(one, is_coloured=True).count("\x1b[") == 2
    assert "\x1b" not in row(msgspec.structs.replace(one, health="odd"), is_coloured=True)


@pytest.mark.parametrize("name", ["ps", "ls"])
def test_ps(ten: Ten, served: Served, name: str) -> None:
    ran = ten(name)
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0] == HEAD
    assert lines[1].startswith("api:alice            127.0.0.1:30001      ")
    assert lines[1].endswith("healthy  100   ")
    assert lines[6:] == ["", "5 instance(s) running on http://localhost:8080"]


def test_ps_shows_what_is_down_with_its_state_and_does_not_count_it(
    ten: Ten, served: Served
) -> None:
    assert ten("stop", "api:bob").code == 0
    assert "api:bob" not in ten("ps").out, "into a pipe it is what the peer prints"
    lines = ten("ps", "--all").out.splitlines()
    assert [line.split() for line in lines if line.startswith("api:bob")] == [
        ["api:bob", "-", "-", "-", "stopped", "-"]
    ]
    assert lines[-1] == "4 instance(s) running on http://localhost:8080"


def test_ps_of_nothing(ten: Ten, served: Served) -> None:
    served.do(served.control.views.clear)
    assert ten("ps").out == "No running instances\nServer: http://localhost:8080\n"


def test_ps_over_tcp_names_the_server_that_was_asked(ten: Ten, served: Served) -> None:
    url = f"unix:{served.path}"
    assert ten("--server", url, "ps").out.endswith("on http://localhost:8080\n")


def test_a_private_instance_listens_under_no_address_of_the_host(ten: Ten, served: Served) -> None:
    def change() -> None:
        views = served.control.views
        views["api:alice"] = msgspec.structs.replace(
            views["api:alice"], network="private", port=8080
        )

    served.do(change)
    assert ten("spawn", "api:alice").out == "Spawned api:alice\nListening on private:8080\n"
    assert ten("ps").out.splitlines()[1].startswith("api:alice            private:8080         ")


def test_each_act_says_what_was_done(ten: Ten, served: Served) -> None:
    ran = ten("spawn", "api:new")
    port = served.control.views["api:new"].port
    assert ran.out == f"Spawned api:new\nListening on 127.0.0.1:{port}\n"
    assert ten("restart", "api:alice").out == "Restarted api:alice\n"
    assert ten("weight", "api:bob", "20").out == "Set api:bob weight to 20\n"
    assert ten("undo", "api:bob").out == "Undone for api:bob: weight 100\n"
    assert ten("health", "api:bob").out == "api:bob: healthy\n"
    assert ten("health", "api:nobody").out == "api:nobody: unknown\n"
    assert ten("stop", "api:bob").out == "Stopped api:bob\n"
    assert served.control.views["api:bob"].state is State.STOPPED


def test_limits_are_shown_set_and_reset(ten: Ten, served: Served) -> None:
    table = ten("set", "api:bob").out.splitlines()
    assert table[0].split() == ["LIMIT", "VALUE", "FROM", "KERNEL"]
    assert ["pids_max", "4096", "default", "-"] in [line.split() for line in table]
    said = ten("set", "api:bob", "memory_max=512M", "cpu_max=50000", "100000").out
    assert said == "Set api:bob memory_max to 512M\nSet api:bob cpu_max to 50%\n"
    table = ten("set", "api:bob").out.splitlines()
    assert ["cpu_max", "50%", "ten", "set", "-"] in [line.split() for line in table]
    assert ten("set", "api:bob", "cpu_max=").out == "api:bob has cpu_max max again\n"
    reset = ten("set", "api:bob", "--reset").out.splitlines()
    assert reset[0] == "api:bob has the limits of its service"
    assert not any("ten set" in line for line in reset)


def test_deploy_and_route(ten: Ten, served: Served) -> None:
    assert ten("deploy", "api:v2", "-w", "30", "--timeout", "9").out == (
        "Deploying api:v2 with weight 30\n"
        "Waiting for health check (timeout: 9s)...\n"
        "Deployed api:v2\n"
        "Weight: 30\n"
        "Status: healthy\n"
    )
    assert ten("route", "api", "--from", "alice", "--to", "v2").out == (
        "Routed traffic: api:alice -> api:v2\n  api:alice weight = 0\n  api:v2 weight = 100\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["spawn", "zz:a"], "Unknown process: zz"),
        (["stop", "api:nobody"], "Instance not found: api:nobody"),
        (["undo", "api:nobody"], "Instance not found: api:nobody"),
        (["undo", "api:alice"], "Nothing to undo for api:alice"),
        (["weight", "api:nobody", "1"], "Instance not found: api:nobody"),
        (["set", "api:nobody"], "Instance not found: api:nobody"),
        (["set", "api:bob", "memory_max"], "'memory_max' is not KEY=VALUE"),
        (["set", "api:bob", "memory_max=x"], "memory_max: invalid value 'x'"),
        (["set", "api:bob", "a=1", "--reset"], "--reset goes without KEY=VALUE"),
        (["route", "api", "--from", "alice", "--to", "v9"], "Instance api:v9 not found"),
        (["deploy", "zz:v1"], "Unknown process: zz"),
        *[
            ([command, "bad"], "Invalid instance format 'bad'. Use 'process:id' (e.g., api:prod)")
            for command in ("spawn", "stop", "restart", "undo", "health", "deploy", "logs", "set")
        ],
        (["stop", "a:../b"], "Invalid instance format 'a:../b'. Use 'process:id'"),
        (["console", "--logs", "bad"], "Invalid instance format 'bad'"),
    ],
)
def test_what_is_refused_is_an_error(
    ten: Ten, served: Served, arguments: list[str], error: str
) -> None:
    ran = ten(*arguments)
    assert ran.code == 1
    assert ran.err.startswith(f"Error: {error}")
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["spawn"],
        ["spawn", "a:b", "c:d"],
        ["ps", "--nope"],
        ["weight", "a:b", "256"],
        ["weight", "a:b", "-1"],
        ["weight", "a:b", "x"],
        ["logs", "--limit", "x"],
        ["deploy", "a:b", "-w", "256"],
        ["route", "api", "--from", "a"],
        ["serve", "-p", "65536"],
        ["ps", "--serv", "http://x"],
        ["install"],
    ],
)
def test_wrong_usage_is_2(ten: Ten, arguments: list[str]) -> None:
    ran = ten(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert "usage: ten" in ran.err


def test_help_and_version(ten: Ten) -> None:
    assert ten("--version").out.startswith("ten 0.")
    assert ten("-V").code == 0
    for arguments in (["--help"], ["help"]):
        ran = ten(*arguments)
        assert ran.code == 0
        assert "deploy" in ran.out
    assert "--search" in ten("help", "logs").out
    assert ten("help", "nope").code == 2


def test_globals_stand_before_or_behind_the_command(ten: Ten, served: Served) -> None:
    served.do(served.control.views.clear)
    folder = str(served.folder)
    before = ten("--data-dir", folder, "ps")
    behind = ten("ps", "--data-dir", folder)
    assert before == behind
    assert before.code == 0
    assert ten("--data-dir", folder, "ps", "--data-dir", "/nowhere").code == 1


def test_nobody_there(ten: Ten) -> None:
    ran = ten("ps")
    assert ran.code == 1
    assert ran.err.startswith("Error: Failed to connect to server at unix:")
    assert "Caused by:\n    [Errno 2] No such file or directory\n" in ran.err
    assert "Hint: no engine runs there" in ran.err
    ran = ten("--server", "http://127.0.0.1:9", "ps")
    assert ran.err.startswith("Error: Failed to connect to server at http://127.0.0.1:9\n")


def test_a_bad_token_is_told_as_the_peer_tells_it(ten: Ten, served: Served) -> None:
    ran = ten("--token", "x" * 43, "ps")
    assert (ran.code, ran.err) == (1, "Error: Server returned 401 Unauthorized\n")


def test_no_sequence_of_a_server_reaches_the_terminal(
    ten: Ten, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spoil(name: str, **_: object) -> None:
        from engine.core.errors import Refused

        raise Refused("red \x1b[31m alert\x07\nsecond line")

    monkeypatch.setattr(served.control, "undo", spoil)
    ran = ten("undo", "api:bob")
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err
    assert "second line" in ran.err


def test_ctrl_c_is_130(ten: Ten, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("ten_tui.cli.instances.ps", interrupt)
    assert ten("ps").code == 130
