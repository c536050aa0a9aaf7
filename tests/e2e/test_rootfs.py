"""Instances with a root of their own, and with files of the host at other places."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.e2e.standing import standing, wait_same
from tests.require import require, require_program, require_root

Make = Callable[[str], EngineRun]

LEVELS = {
    "default": "",
    "strict": 'hardening = "strict"',
    "private": 'network = "private"',
    "off": 'hardening = "off"',
    "sandbox": 'isolation = "sandbox"',
}
ROOTED = """
[service.app]
command = "sh -c '{script}'"
rootfs = "{root}"
restart = "never"
startup_timeout = 0
mounts = ["{folder}/models:/srv/models", "{folder}/cache:/cache:rw", "{folder}/one.txt:/etc/one"]
{more}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A busybox with what a small image has, and links that lead out if they are followed."""
    require_root()
    busybox = require_program("busybox", "busybox-static")
    made = tmp_path / "image"
    for name in ("bin", "etc", "var/lib"):
        (made / name).mkdir(parents=True)
    shutil.copy(busybox, made / "bin/busybox")
    for name in ("sh", "cat", "ls", "echo", "touch", "id", "sleep", "readlink", "chroot", "mount"):
        (made / "bin" / name).symlink_to("busybox")
    (made / "etc/image").write_text("of the image\n")
    (made / "etc/resolv.conf").symlink_to("/run/nowhere/resolv.conf")
    (made / "cache").symlink_to("/etc")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a").write_text("model\n")
    (tmp_path / "cache").mkdir(mode=0o777)
    (tmp_path / "cache").chmod(0o777)
    (tmp_path / "one.txt").write_text("one\n")
    for each in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        each.chmod(0o711)  # pytest closes them to others
    return made


def ran(make_engine: Make, root: Path, level: str, script: str) -> tuple[EngineRun, list[str]]:
    """Run a script in there to its end; give the lines it wrote."""
    if level == "sandbox":
        require_program("runsc")
    text = ROOTED.format(script=script, root=root, folder=root.parent, more=LEVELS[level])
    run = make_engine(text)
    run.start()
    before = standing(run)
    assert run.spawn("app:x")[0] == 200
    view = run.wait_state("app:x", "stopped", "failed", seconds=40)
    assert view["state"] == "stopped", (view, run.lines("app:x"))
    wait_same(run, before | {"files of tenants": standing(run)["files of tenants"]})
    return run, run.lines("app:x")


def tree(root: Path) -> list[tuple[str, float]]:
    return sorted((str(each), each.lstat().st_mtime) for each in root.rglob("*"))


@pytest.mark.parametrize("level", LEVELS)
def test_the_folder_is_all_that_is_seen(make_engine: Make, root: Path, level: str) -> None:
    before = tree(root)
    script = (
        "cat /etc/image; ls /; ls /usr /home /root 2>&1; ls -d /proc/1 /dev/null /dev/shm;"
        "cat /srv/models/a /etc/one; echo $PATH; readlink /proc/self/cwd;"
        "echo mine > $TEN_DATA_DIR/kept; echo c > /cache/c; touch /tmp/t /run/t /var/tmp/t;"
        "touch /srv/models/b 2>&1 || echo refused; cat /etc/shadow 2>&1; echo end"
    )
    run, lines = ran(make_engine, root, level, script)
    assert lines[0] == "of the image"
    text = "\n".join(lines)
    for name in ("/usr: No", "/home: No", "/root: No", "/etc/shadow': No"):
        assert f"{name} such file" in text, text
    assert {"/proc/1", "/dev/null", "/dev/shm", "model", "one", "refused"} <= set(lines)
    assert "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in lines
    assert "/" in lines
    assert lines[-1] == "end"
    assert (run.data_dir / "app/x/kept").read_text() == "mine\n"
    assert (root.parent / "cache/c").read_text() == "c\n"
    assert not (root.parent / "models/b").exists()
    assert tree(root) == before, "nothing was written to it"


@pytest.mark.parametrize("level", ["default", "strict", "sandbox"])
def test_the_rest_is_read_only(make_engine: Make, root: Path, level: str) -> None:
    script = "touch /etc/new 2>&1; touch /bin/new 2>&1; touch /new 2>&1; echo end"
    _, lines = ran(make_engine, root, level, script)
    assert [each for each in lines if "Read-only" in each or "denied" in each] == lines[:-1]
    assert len(lines) == 4


@pytest.mark.parametrize("level", ["default", "strict", "off"])
def test_nobody_climbs_out(make_engine: Make, root: Path, level: str) -> None:
    script = (
        "ls ../../../../..; ls /proc/1/root/; ls /proc/self/fd/ | sort; ls /proc/1/cwd/;"
        "cat /proc/self/mountinfo; chroot /proc/1/root ls / 2>&1; echo end"
    )
    _, lines = ran(make_engine, root, level, script)
    text = "\n".join(lines)
    assert "home" not in lines
    assert "boot" not in lines
    mounts = [line.split()[4] for line in lines if " - " in line]
    assert "/" in mounts
    assert not [each for each in mounts if each.startswith(("/usr", "/home", "/boot"))], text


def test_resolvers_are_the_hosts(make_engine: Make, root: Path) -> None:
    require(os.path.exists("/etc/resolv.conf"), "no /etc/resolv.conf", "make one")
    _, lines = ran(make_engine, root, "default", "cat /etc/resolv.conf; echo end")
    assert "\n".join(lines[:-1]) == Path("/etc/resolv.conf").read_text().rstrip("\n")


def test_a_program_that_is_not_in_there_is_named(make_engine: Make, root: Path) -> None:
    text = ROOTED.format(script="", root=root, folder=root.parent, more="")
    run = make_engine(text.replace("sh -c ''", "/usr/bin/python3 -V"))
    run.start()
    before = standing(run)
    assert run.spawn("app:x")[0] == 500
    why = run.wait_state("app:x", "failed")["why"]
    assert (why["step"], why["errno"]) == ("exec /usr/bin/python3", "ENOENT")
    wait_same(run, before)


def test_it_is_shown_as_planned_and_as_it_is(make_engine: Make, root: Path) -> None:
    script = "echo up; exec sleep 1000"
    run = make_engine(ROOTED.format(script=script, root=root, folder=root.parent, more=""))
    run.start()
    assert run.spawn("app:x")[0] == 200
    shown = run.get("/api/instances/app:x/inspect")
    steps = {each["text"]: each for each in shown["steps"]}
    assert f"root {root}" in steps
    assert [text for text, each in steps.items() if each["is_off"]] == []
    text = run.config.read_text()
    run.config.write_text(text.replace(f"{root.parent}/one.txt:/etc/one", "/etc/hosts:/etc/one"))
    wait_until(lambda: run.lines("app:x") == ["up", "up"], "a changed mount restarts it")


def test_mounts_beside_the_hosts_files(make_engine: Make, root: Path) -> None:
    folder = root.parent
    run = make_engine(f"""
[service.web]
command = "{TENANT}"
health = "/health"
mounts = ["{folder}/models:/var/lib/models", "{folder}/cache:/run/cache:rw", "{folder}/one.txt"]

[service.plain]
command = "sh -c 'cat {folder}/models/a /var/lib/models/a 2>&1'"
restart = "never"
startup_timeout = 0
""")
    run.start()
    assert run.spawn("web:a")[0] == 200
    pid = run.wait_state("web:a", "healthy")["pid"]
    seen = Path(f"/proc/{pid}/root")
    assert (seen / "var/lib/models/a").read_text() == "model\n"
    assert (seen / f"{folder}/one.txt".lstrip("/")).read_text() == "one\n"
    mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    modes = {line.split()[4]: line.split()[5].split(",")[0] for line in mounts}
    assert modes["/var/lib/models"] == "ro"
    assert modes["/run/cache"] == "rw"
    assert run.spawn("plain:x")[0] == 200
    run.wait_state("plain:x", "failed", "stopped")
    assert not os.path.exists("/var/lib/models")
    shown = run.get("/api/instances/web:a/inspect")
    assert "/var/lib/models" in json.dumps(shown)


def test_a_source_that_is_gone_fails_by_its_name(make_engine: Make, root: Path) -> None:
    run = make_engine(f"""
[service.web]
command = "{TENANT}"
mounts = ["{root.parent}/of-{{id}}:/run/own"]
restart = "never"
""")
    run.start()
    before = standing(run)
    assert run.spawn("web:a")[0] == 500
    why = run.wait_state("web:a", "failed")["why"]
    assert (why["errno"], why["path"]) == ("ENOENT", f"{root.parent}/of-a")
    wait_same(run, before)
    (root.parent / "of-a").mkdir()
    assert run.spawn("web:a")[0] == 200
