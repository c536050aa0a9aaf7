"""A host whose root is the initramfs, which nothing puts away: `namespace` and `rootfs` there."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun, wait_until
from tests.poor import open_the_way
from tests.vm import on_first_root

CONFIG = """
[service.plain]
command = "sh -c 'ls /home /root {data} {data}/plain; touch /usr/x 2>&1; echo end'"
restart = "never"
startup_timeout = 0

[service.strict]
command = "sh -c 'touch /usr/x /etc/x /x 2>&1; echo end'"
hardening = "strict"
restart = "never"
startup_timeout = 0

[service.rooted]
command = "sh -c '{script}'"
rootfs = "{root}"
mounts = ["{root}/image:/srv/image"]
startup_timeout = 0

[service.climber]
command = "{python} -S /climb.py"
rootfs = "{root}"
mounts = {mounts}
hardening = "off"
restart = "never"
startup_timeout = 0
"""
CLIMB = """
import os
at = os.open("/", os.O_PATH)
os.mkdir("/tmp/deeper")
os.chroot("/tmp/deeper")
os.fchdir(at)
os.chdir("../../..")
os.chroot(".")
print("image" in os.listdir("/"), "modules" in os.listdir("/"))
print("end")
"""
SCRIPT = (
    'ls -x / /../..; touch /x 2>&1; cut -d\\" \\" -f5 /proc/self/mountinfo;'
    "echo kept > $TEN_DATA_DIR/mine; echo end; sleep 1000"
)
READ_ONLY = "touch: cannot touch '{}': Read-only file system"


class OnFirstRoot(EngineRun):
    """An engine there."""

    def command(self, *arguments: str, doors: int = 1) -> list[str]:
        enter = [sys.executable, "-P", str(on_first_root.__file__)]
        return [*enter, *super().command(*arguments, doors=doors)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[OnFirstRoot]:
    root = tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    (root / "image").touch()
    shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
    for name in ("sh", "ls", "touch", "cut", "sleep", "echo"):
        (root / "bin" / name).symlink_to("busybox")
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "climb.py").write_text(CLIMB)
    python = Path(sys.executable).resolve()
    mounts = json.dumps(sorted({"/usr", str(python.parents[1])}))
    made = OnFirstRoot(tmp_path, "")
    places = {"data": made.data_dir, "root": root, "python": python, "mounts": mounts}
    made.config.write_text(CONFIG.format(script=SCRIPT, **places))
    open_the_way(tmp_path)
    made.start()
    yield made
    made.end()


def said(run: OnFirstRoot, name: str) -> list[str]:
    """Spawn, and give what it says up to "end"."""
    assert run.spawn(name)[0] == 200, run.instance(name)
    wait_until(lambda: run.lines(name)[-1:] == ["end"], f"{name} is done")
    return run.lines(name)


def check_rooted(run: OnFirstRoot) -> None:
    """Its own root is the only one, also for whoever enters its namespace later."""
    lines = said(run, "rooted:x")
    seen = [
        "/:",
        "bin",
        "climb.py",
        "dev",
        "etc",
        "image",
        "lib",
        "lib64",
        "proc",
        "run",
        "srv",
        "sys",
        "tmp",
        "var",
    ]
    assert " ".join(lines).split()[:30] == [*seen, "/../..:", *seen[1:], "touch:", "/x:"]
    mounts = [line for line in lines if line.startswith("/") and not line.endswith(":")]
    own = ("/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/run", "/etc", "/srv/image")
    assert [each for each in mounts if not each.startswith((*own, str(run.data_dir)))] == ["/"]
    assert (run.data_dir / "rooted/x/mine").read_text() == "kept\n"
    enter = ["nsenter", f"--target={run.instance('rooted:x')['pid']}", "--mount", "/bin/busybox"]
    done = subprocess.run([*enter, "ls", "/", "/.."], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*seen, "/..:", *seen[1:]]


def test_levels_on_a_root_that_cannot_be_put_away(run: OnFirstRoot) -> None:
    mounts = Path(f"/proc/{run.pid('engine')}/mountinfo").read_text().splitlines()
    assert mounts[0].split()[4::4] == ["/", "rootfs"], "the engine's root is the initramfs"
    data = str(run.data_dir)
    hidden = ["/home:", "", "/root:", "", f"{data}:", "plain", "", f"{data}/plain:", "x"]
    shown = said(run, "plain:x")
    assert sorted(shown[:-2]) == sorted(hidden)
    assert shown[-2:] == [READ_ONLY.format("/usr/x"), "end"]
    refused = [READ_ONLY.format(path) for path in ("/usr/x", "/etc/x", "/x")]
    assert said(run, "strict:x") == [*refused, "end"]
    check_rooted(run)
    assert said(run, "climber:x") == ["True False", "end"]
