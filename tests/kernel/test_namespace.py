"""What an instance in isolation `namespace` sees, as root and as an ordinary user."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.core.spec import ServiceSpec
from engine.runtime.plan import build_plan
from tests.kernel.conftest import Planner
from tests.kernel.harness import ROOT, Host, Played, host, read_all
from tests.require import require

pytestmark = pytest.mark.kernel

USER = 1000


def output(engine: Played, plan: list[list[object]], cgroup: str = "", name: str = "api:x") -> str:
    told = engine.spawn(name, [*plan], cgroup)
    assert told["ok"], told
    engine.find("exit", name=name)
    text = read_all(told.fds[1], 0.1) + read_all(told.fds[2], 0.1)
    told.close()
    return text.decode()


def test_sees_only_its_own_processes(engine: Played, planned: Planner) -> None:
    found = output(engine, planned("cd /proc; echo [0-9]*; readlink /proc/self"))
    assert found.split() == ["1", "2", "3"] or found.split()[:2] == ["1", "2"]


def test_has_its_own_host_name_ipc_and_mounts(
    engine: Played, planned: Planner, cgroup: Callable[[str], str]
) -> None:
    path = cgroup("api:x")
    script = "hostname; for n in pid mnt ipc uts cgroup net; do readlink /proc/self/ns/$n; done"
    found = output(engine, planned(f"{script}; cat /proc/self/cgroup", cgroup=path), path)
    hostname, *namespaces = found.splitlines()
    assert hostname == "api-x"
    for name, seen in zip(("pid", "mnt", "ipc", "uts", "cgroup"), namespaces, strict=False):
        assert seen != os.readlink(f"/proc/self/ns/{name}"), name
    assert namespaces[5] == os.readlink("/proc/self/ns/net"), "the network is the host's"
    assert "0::/" in found.splitlines(), "its cgroup is all it sees"


def test_has_no_capabilities_and_can_gain_none(engine: Played, planned: Planner) -> None:
    found = output(engine, planned("grep -E '^(Cap|NoNewPrivs)' /proc/self/status"))
    values = dict(line.split(":\t") for line in found.splitlines())
    assert values.pop("NoNewPrivs") == "1"
    assert set(values.values()) == {"0" * 16}


def test_has_a_private_tmp_that_leaves_nothing(engine: Played, planned: Planner) -> None:
    marker = Path("/tmp") / f"seen-{os.getpid()}"
    marker.write_text("x")
    try:
        script = (
            f"ls /tmp; test -e {marker.name} && echo leak; touch /tmp/{marker.name}-in && echo ok"
        )
        found = output(engine, planned(script))
    finally:
        marker.unlink()
    assert marker.name not in found
    assert found.splitlines()[-1] == "ok"
    assert not Path(f"{marker}-in").exists()


def test_sees_of_the_data_directory_only_its_own(
    kept: Host, engine: Played, planned: Planner
) -> None:
    other = kept.data_dir / "api" / "other"
    other.mkdir(parents=True)
    (other / "secret").write_text("theirs")
    (kept.data_dir / "ten.db").write_text("everything")
    script = (
        f"find {kept.data_dir}; cat {other}/secret; touch {kept.data_dir}/new; "
        "echo mine > $TEN_DATA_DIR/file"
    )
    found = output(engine, planned(script))
    shown = [line for line in found.splitlines() if line.startswith(str(kept.data_dir))]
    assert shown == [str(kept.data_dir / part) for part in ("", "api", "api/x")]
    assert "theirs" not in found
    assert "Read-only file system" in found
    assert (kept.data_dir / "api/x/file").read_text() == "mine\n"
    assert not (kept.data_dir / "new").exists()


def test_its_own_links_bring_nothing_of_others_into_sight(
    kept: Host, engine: Played, planned: Planner
) -> None:
    other, own = kept.data_dir / "api" / "other" / "db", kept.data_dir / "api" / "x"
    other.mkdir(parents=True)
    (other / "main").write_text("theirs")
    own.mkdir()
    (own / "db").symlink_to("../other/db")
    plan = planned("cat $DB; ls ..", workdir=str(own), env={"DB": "{data_dir}/api/{id}/db/main"})
    found = output(engine, plan)
    assert "theirs" not in found
    assert found.split()[0] == "x"


def test_the_socket_of_a_long_path_is_out_of_reach(tmp_path: Path) -> None:
    with host(tmp_path) as kept:
        kept.data_dir = tmp_path / ("x" * 120) / "data"
        engine = kept.start()
        target = os.path.realpath(kept.run / "ten.sock")
        spec = ServiceSpec(
            name="api", command="/bin/sh", args=("-c", f"ls {target} && echo seen"), workdir="/"
        )
        plan = build_plan(
            spec,
            "x",
            port=31234,
            data_dir=str(kept.data_dir),
            cgroup="",
            environ=os.environ,
            pass_env=("PATH",),
        )
        found = output(engine, plan.to_wire())
        assert "No such file" in found
        assert "seen" not in found


def test_kernel_switches_are_read_only(engine: Played, planned: Planner) -> None:
    script = "echo x > /proc/sys/kernel/hostname; touch /sys/fs/cgroup/x; mount -t tmpfs x /mnt"
    found = output(engine, planned(script))
    assert found.lower().count("read-only") == 2
    assert "permission denied" in found.lower() or "must be superuser" in found.lower()


def test_a_checkout_below_tmp_is_still_found(
    engine: Played, planned: Planner, tmp_path: Path
) -> None:
    """Workdir, program, and files named in arguments and environment, all below /tmp."""
    for name in ("work", "venv/bin", "venv/lib", "given", "named"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "venv/bin/program"
    program.write_text("#!/bin/sh\nls; ls $(dirname $0)/../lib; cat $1; cat $FILE; ls ..\n")
    program.chmod(0o755)
    (tmp_path / "work/here").touch()
    (tmp_path / "venv/lib/library").touch()
    (tmp_path / "given/file").write_text("given\n")
    (tmp_path / "named/file").write_text("named\n")
    (tmp_path / "not-named").touch()
    plan = planned(
        "",
        command=str(program),
        args=(str(tmp_path / "given/file"),),
        env={"FILE": str(tmp_path / "named/file")},
        workdir=str(tmp_path / "work"),
    )
    found = output(engine, plan).splitlines()
    assert found[:4] == ["here", "library", "given", "named"]
    assert "not-named" not in found


def test_socket_path_can_be_made(engine: Played, planned: Planner) -> None:
    script = "echo $SOCKET_PATH; touch $SOCKET_PATH && ls $SOCKET_PATH"
    found = output(engine, planned(script)).split()
    assert found == ["/tmp/tenement/api-x.sock"] * 2


def test_a_link_in_the_place_of_its_folder_is_not_followed(
    kept: Host, engine: Played, planned: Planner, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (kept.data_dir / "api").mkdir()
    (kept.data_dir / "api" / "x").symlink_to(elsewhere)
    told = engine.spawn("api:x", planned("true"))
    assert not told["ok"]
    assert told["step"] == f"mkdir {kept.data_dir}/api/x"


def test_environment_is_only_what_was_given(
    engine: Played, planned: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = output(engine, planned("env", env={"GREETING": "hello {name} {id} {port} {other}"}))
    names = {line.partition("=")[0] for line in found.splitlines()}
    assert names - {"PWD", "_", "SHLVL"} == {
        "PATH",
        "GREETING",
        "TEN_DATA_DIR",
        "SOCKET_PATH",
        "PORT",
    }
    assert "GREETING=hello api x 31234 {other}" in found


# As an ordinary user.


@pytest.fixture
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A keeper of an ordinary user, from a copy of the sources that he can read."""
    require(os.geteuid() == 0, "needs root to become an ordinary user", "sudo make test")
    require(shutil.which("setpriv") is not None, "setpriv is missing", "apt-get install util-linux")
    python = next((p for p in ("/usr/bin/python3",) if _is_new_enough(p)), "")
    require(bool(python), "no system Python 3.11", "apt-get install python3")
    folder = Path("/var/tmp") / f"ten-test-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "home").mkdir(parents=True)
    shutil.copytree(ROOT / "engine", folder / "engine", ignore=shutil.ignore_patterns("*.pyc"))
    (folder / "tests/kernel").mkdir(parents=True)
    for name in ("tests/__init__.py", "tests/kernel/__init__.py", "tests/kernel/played.py"):
        shutil.copy(ROOT / name, folder / name)
    os.chown(folder / "home", USER, USER)
    prefix = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    with host(folder / "home", prefix=prefix, doors=1) as made:
        made.python, made.root = [python], folder
        yield made
    shutil.rmtree(folder)


def _is_new_enough(python: str) -> bool:
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    return os.path.exists(python) and subprocess.run([python, "-c", code]).returncode == 0


def _users_plan(
    kept: Host, script: str, isolation: str, network: str = "host"
) -> list[list[object]]:
    """Build the plan as that user would, whose capabilities and ids are in it."""
    code = """
import json, sys
from engine.core.network import Network
from engine.core.spec import Isolation, ServiceSpec
from engine.runtime.plan import build_plan
import os
os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)
data_dir, script, isolation, network = sys.argv[1:]
spec = ServiceSpec(name="api", isolation=Isolation(isolation), command="/bin/sh",
                   network=Network(network),
                   args=("-c", script), workdir="/")
plan = build_plan(spec, "x", port=1, data_dir=data_dir, cgroup="", environ={}, pass_env=())
print(json.dumps(plan.to_wire()))
"""
    import json

    done = subprocess.run(
        [sys.executable, "-c", code, str(kept.data_dir), script, isolation, network],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    plan: list[list[object]] = json.loads(done.stdout)
    return plan


def test_ordinary_user_has_namespaces_too(users: Host) -> None:
    engine = users.start()
    assert users.data_dir.stat().st_uid == USER
    script = (
        "id -u; hostname; cd /proc; echo [0-9]*; grep CapEff /proc/self/status; ls -a /tmp; "
        f"ls {users.data_dir}; touch $TEN_DATA_DIR/mine && echo written; cat /proc/self/uid_map"
    )
    found = output(engine, _users_plan(users, script, "namespace"))
    lines = found.splitlines()
    assert lines[:2] == [str(USER), "api-x"]
    assert lines[2].split()[:2] == ["1", "2"]
    assert lines[3] == "CapEff:\t" + "0" * 16
    assert lines[4:] == [".", "..", "tenement", "api", "written", lines[-1]]
    assert lines[-1].split() == [str(USER), str(USER), "1"]
    assert (users.data_dir / "api/x/mine").stat().st_uid == USER


def test_ordinary_user_has_instances_that_end_whole(users: Host) -> None:
    engine = users.start()
    for isolation in ("process", "namespace"):
        script = "setsid sleep 4321 & echo up; sleep 1000"
        told = engine.spawn("api:x", _users_plan(users, script, isolation))
        assert told["ok"], told
        assert read_all(told.fds[1], until=b"up\n") == b"up\n"
        engine.order("kill", name="api:x")
        end = engine.find("exit", name="api:x")
        engine.order("ack", name="api:x", pid=end["pid"])
        assert subprocess.run(["pgrep", "-x", "-f", "sleep 4321"]).returncode == 1
        told.close()


def test_ordinary_users_instances_are_adopted(users: Host) -> None:
    engine = users.start()
    told = engine.spawn("api:x", _users_plan(users, "echo up; exec sleep 1000", "namespace"))
    assert users.keeper is not None
    users.keeper.kill()
    users.wait()
    life = users.start()
    held = next(each for each in life.greeting if each["type"] == "instance")
    assert (held["pid"], held["exit"]) == (told["pid"], None)
