"""`ten doctor` on this host as root, as an ordinary user, and where namespaces cannot be had."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.kernel import features, tries
from engine.kernel.cgroup import CgroupTree
from engine.kernel.controllers import survey
from engine.runtime.doctor import examine, scope
from tests.poor import NOBODYS_UID, SWITCHED_OFF, USED_UP, ordinary, require_poor
from tests.require import require_root

pytestmark = pytest.mark.kernel

ENGINE = [sys.executable, "-P", "-m", "engine"]
SERVICE = '[service.api]\ncommand = "true"\nisolation = "{}"\n'


def ask(
    command: Sequence[str], folder: Path, config: str = "", *options: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run `doctor --json` in a folder; give its exit status and the findings by name."""
    if config:
        (folder / "tenement.toml").write_text(config)
        options = (*options, "--config", str(folder / "tenement.toml"))
    done = subprocess.run(
        [*command, "doctor", "--json", *options], capture_output=True, text=True, cwd=folder
    )
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["is_good"] == (done.returncode == 0)
    return done.returncode, {each["name"]: each for each in report["findings"]}


def test_every_check_answers_and_says_why_where_something_is_missing(tmp_path: Path) -> None:
    _, found = ask(ENGINE, tmp_path)
    expected = {each.name for each in examine.CHECKS if not each.name.startswith("terminal.")}
    assert found.keys() == expected | {"terminal.kind"}
    for each in found.values():
        assert each["value"] in {"yes", "no", "partly"}
        assert bool(each["why"]) == (each["value"] != "yes"), each
        assert not each["why"].startswith("it cannot be looked at"), each


def test_as_root(tmp_path: Path, tree: CgroupTree) -> None:
    require_root()
    before = set(os.listdir(tree.path))
    status, found = ask(ENGINE, tmp_path, SERVICE.format("namespace"))
    assert status == 0
    for name in ("isolation.privileges", "isolation.launch", "isolation.pid", "isolation.users"):
        assert found[name]["value"] == "yes", found[name]
    for name in ("cgroup.writable", "cgroup.kill", "cgroup.freeze", "kernel.clone3"):
        assert found[name]["value"] == "yes", found[name]
    assert set(os.listdir(tree.path)) == before, "what was tried leaves nothing behind"


def test_a_controller_fails_only_where_a_limit_is_refused_for_it(tmp_path: Path) -> None:
    missing = survey().missing
    limit = SERVICE.format("process") + "pids_max = 50\n"
    status, found = ask(ENGINE, tmp_path, limit)
    assert found["cgroup.pids"]["value"] == ("no" if "pids" in missing else "yes")
    assert status == (1 if "pids" in missing else 0)
    if "pids" in missing:
        assert found["cgroup.pids"]["needed_by"] == ["service.api.pids_max"]
        assert found["cgroup.pids"]["why"] == missing["pids"].reason
    lax = "[settings]\nrequire_limits = false\n" + limit
    status, found = ask(ENGINE, tmp_path, lax)
    assert (status, found["cgroup.pids"]["needed_by"]) == (0, [])


def test_as_an_ordinary_user() -> None:
    with ordinary("engine") as (command, home):
        status, found = ask(command, home, SERVICE.format("namespace"), "--port=80")
        assert found["isolation.privileges"]["detail"] == f"uid {NOBODYS_UID}"
        assert found["isolation.users"]["value"] == "no"
        assert found["cgroup.writable"]["value"] == "no"
        assert "Delegate=yes" in found["cgroup.writable"]["fix"]
        assert found["isolation.launch"]["value"] == "yes", "by a user namespace"
        assert found["serving.door_user"]["value"] == "partly"
        first = int(features.setting("net.ipv4.ip_unprivileged_port_start"))
        assert found["serving.port"]["value"] == ("no" if first > 80 else "yes")
        assert status == (1 if first > 80 else 0)
        assert ask(command, home, SERVICE.format("namespace"))[0] == 0
        strict = SERVICE.format("namespace") + 'user = "auto"\n'
        assert ask(command, home, strict)[0] == 1


@pytest.mark.parametrize("prefix", [SWITCHED_OFF, USED_UP], ids=["switched-off", "used-up"])
def test_where_namespaces_cannot_be_had(tmp_path: Path, prefix: list[str]) -> None:
    require_poor()
    status, found = ask([*prefix, *ENGINE], tmp_path, SERVICE.format("namespace"))
    assert status == 1
    for name in ("isolation.user", "isolation.pid", "isolation.launch", "network.private"):
        assert found[name]["value"] == "no", found[name]
    assert found["isolation.pid"]["needed_by"] == ["service.api.isolation"]
    assert found["configuration.service.api.isolation"]["fix"].endswith('isolation = "process"')
    status, found = ask([*prefix, *ENGINE], tmp_path, SERVICE.format("process"))
    assert (status, found["isolation.pid"]["value"]) == (0, "no"), "nobody asks for it now"


def test_a_configuration_that_is_refused_is_a_finding(tmp_path: Path) -> None:
    status, found = ask(ENGINE, tmp_path, "[service.api]\n")
    assert status == 1
    assert "missing field `command`" in found["configuration.file"]["why"]
    assert "kernel.version" in found, "the rest is looked at all the same"


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        _, found = ask(ENGINE, tmp_path, "", f"--port={other.getsockname()[1]}")
    assert found["serving.port"]["value"] == "partly"
    assert "something listens" in found["serving.port"]["why"]


def test_a_data_directory_that_cannot_be_written_fails() -> None:
    with ordinary("engine") as (command, home):
        config = '[settings]\ndata_dir = "/usr/ten"\n' + SERVICE.format("process")
        status, found = ask(command, home, config)
        assert status == 1
        assert found["storage.data_dir"]["why"] == "/usr: Permission denied"


def test_without_limits_of_files_the_need_is_counted(tmp_path: Path) -> None:
    low = ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"]
    _, found = ask([*low, *ENGINE], tmp_path, SERVICE.format("process"))
    assert found["storage.open_files"]["value"] == "partly"
    assert "LimitNOFILE=768" in found["storage.open_files"]["fix"]


def test_text_is_grouped_and_coloured_in_a_terminal_only(tmp_path: Path) -> None:
    command = [*ENGINE, "doctor"]
    plain = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "\x1b" not in plain
    assert plain.startswith("kernel\n  ● yes    Linux")
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLORTERM": ""}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(command, stdout=slave, cwd=tmp_path, env=env):
        os.close(slave)
        shown = b""
        while data := _read(master):
            shown += data
    os.close(master)
    assert b"\x1b[1mkernel\x1b[0m" in shown
    assert b"256" in shown.split(b"colours")[1].split(b"\n")[0]


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: the other end is closed
        return b""


def test_tries_tell_what_failed(tmp_path: Path) -> None:
    found = tries.try_all(str(tmp_path))
    assert found["pid"] == 0
    assert found["clone3"] != 0, "a folder that is no cgroup"
    assert os.listdir(tmp_path) == []


def test_the_engines_view_leaves_its_port_and_the_terminal_out(tmp_path: Path) -> None:
    report = examine.examine(scope.Scope(None, str(tmp_path), is_engine=True, port=1))
    found = {each.name: each for each in report.findings}
    assert found["serving.port"].detail == "1, listening"
    assert not any(name.startswith("terminal.") for name in found)
