"""ten_tui.client.bridge: which command reaches a host, and how its streams carry HTTP."""

import sys
from pathlib import Path

import pytest

from engine.core.errors import EngineUnreachable, Refused
from ten_tui.client import Endpoint, connect
from ten_tui.client.bridge import BridgeConnection, command, split_host
from tests.served import Served
from tests.unit.ten_tui.cli.conftest import Ten, project, served, ten

__all__ = ["project", "served", "ten"]


def test_hosts() -> None:
    assert split_host("eva@a") == ("eva@a", "")
    assert split_host("a:/srv/my app") == ("a", "/srv/my app")
    for text in ("", ":/srv", "-oProxyCommand=x", "-a", "eva@", "a\x1b[31m"):
        with pytest.raises(Refused, match="Not a host"):
            split_host(text)


def test_the_command_line_quotes_what_a_shell_reads_over_there(tmp_path: Path) -> None:
    words = command("eva@a:/x; rm -rf ~", is_batch=True, environ={"HOME": "/nonexistent"})
    assert words[0] == "ssh"
    assert words[-3:] == ["--", "eva@a", "ten bridge -- '/x; rm -rf ~'"]
    assert "BatchMode=yes" in words
    assert not [word for word in words if "Control" in word]
    tmp_path.chmod(0o700)
    shared = command("a", is_batch=False, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert f"ControlPath={tmp_path}/ten-%C" in shared
    assert "BatchMode=yes" not in shared
    tmp_path.chmod(0o755)
    open_to_all = command("a", is_batch=False, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert not [word for word in open_to_all if "Control" in word], "others could use the login"
    assert command("a", is_batch=False, environ={"TEN_SSH": "/opt/ssh"})[0] == "/opt/ssh"


def test_what_the_command_complains_of_is_known(tmp_path: Path) -> None:
    connection = BridgeConnection(["sh", "-c", "echo first >&2; printf 'no \\033[31mway' >&2"])
    connection.connect()
    assert connection.sock is not None
    assert connection.sock.recv(1) == b""
    connection.close()
    connection.close()
    assert connection.said == "no way"


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of ssh: the command it would run over there, run here."""
    program = tmp_path / "here"
    ten = f"{sys.executable} -m ten_tui.cli"
    program.write_text(
        f'#!/bin/sh\nfor last; do :; done\ncd "${{last##* }}" && exec {ten} bridge\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("TEN_SSH", str(program))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))


@pytest.mark.usefixtures("local")
def test_questions_and_streams_go_through(served: Served, project: Path) -> None:
    with connect(Endpoint(host=f"a:{project}", is_batch=True)) as client:
        assert client.endpoint.where == f"ssh:a:{project}"
        names = [one.name for one in client.instances()]
        assert names == sorted(served.control.views)
        updates = client.stream()
        assert [one.name for one in next(updates).instances] == names  # type: ignore[union-attr]
        client.set_weight(names[0], 7)
        assert client.instances()[0].weight == 7
        big = "x" * 300_000
        served.write(names[0], *[big] * 5)
        assert len(client.log_window(names[0], count=5).lines) == 5


@pytest.mark.usefixtures("local")
def test_where_no_engine_is_the_far_end_says_so(project: Path) -> None:
    with (
        connect(Endpoint(host=f"a:{project}")) as client,
        pytest.raises(EngineUnreachable, match="Failed to connect to server at unix:"),
    ):
        client.engine()


def test_options_that_name_two_engines_or_act_here_are_refused(ten: Ten, project: Path) -> None:
    assert "name two engines" in ten("--host", "a", "--server", "http://b", "ps").err
    assert "works on this host only" in ten("--host", "a", "down").err
    assert "Several hosts are for" in ten("--host", "a", "--host", "b", "ps").err
    assert "Not a host" in ten("--host=-oProxyCommand=x", "ps").err
