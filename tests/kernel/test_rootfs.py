"""A root of its own: what is refused at load, and an ordinary user's instances."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.harness import ROOT, Host, read_all
from tests.kernel.test_host import check
from tests.kernel.test_namespace import (
    users,  # noqa: F401 - a fixture
)
from tests.require import require_program

pytestmark = pytest.mark.kernel

CONFIG = """[settings]
data_dir = "data"

[service.web]
command = "true"
{line}
"""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('rootfs = "{here}/gone"', "is not there"),
        ('rootfs = "{here}/loop"', "is no directory"),
        ('rootfs = "{here}/file"', "is no directory"),
        ('rootfs = "{here}/data/web"', "holds the engine's own folder {here}/data, or lies in it"),
        ('rootfs = "{here}/link"', "holds the engine's own folder {here}/data, or lies in it"),
        ('rootfs = "{here}"', "holds the engine's own folder"),
        ('mounts = ["{here}/gone:/run/x"]', "is not there"),
        ('mounts = ["{here}/data:/run/x"]', "holds the engine's own folder"),
        ('mounts = ["/:/run/x"]', "holds the engine's own folder"),
        ('mounts = ["/etc:{here}/data/web"]', "lies over the engine's folder"),
        ('mounts = ["/etc:/nowhere/at/all"]', "is not there, and cannot be made"),
    ],
)
def test_refused_at_load(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    (tmp_path / "data/web").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    done = check(tmp_path, CONFIG.format(line=line.format(here=tmp_path)), [])
    assert done.returncode == 1
    assert "line 6, column 10" in done.stderr
    assert reason.format(here=tmp_path) in done.stderr


def test_taken_at_load(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    line = f'rootfs = "{tmp_path}/image"\nmounts = ["/etc:/any/where", "/srv/{{id}}:/own"]'
    assert check(tmp_path, CONFIG.format(line=line), []).returncode == 0


PLAN = """
import json, os, sys
from engine.core.spec import Bind, ServiceSpec
from engine.runtime.plan import build_plan
os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)
data_dir, script, root, source = sys.argv[1:]
spec = ServiceSpec(name="api", command="/bin/sh", args=("-c", script), workdir="/", rootfs=root,
                   mounts=(Bind(source=source, target="/srv/it"),))
plan = build_plan(spec, "x", port=1, data_dir=data_dir, cgroup="", environ={}, pass_env=())
print(json.dumps(plan.to_wire()))
"""


def test_ordinary_users_have_it_too(users: Host, tmp_path: Path) -> None:  # noqa: F811
    busybox = require_program("busybox", "busybox-static")
    image = users.data_dir.parent / "image"
    (image / "bin").mkdir(parents=True)
    shutil.copy(busybox, image / "bin/busybox")
    for name in ("sh", "cat", "ls", "touch"):
        (image / "bin" / name).symlink_to("busybox")
    (image / "it").write_text("is mounted\n")
    for each in (users.data_dir.parent, image, image / "bin"):
        each.chmod(0o755)
    script = "ls /; cat /srv/it; touch /new 2>&1; touch $TEN_DATA_DIR/mine; echo end"
    arguments = [str(users.data_dir), script, str(image), str(image / "it")]
    done = subprocess.run(
        [sys.executable, "-c", PLAN, *arguments], cwd=ROOT, capture_output=True, check=True
    )
    engine = users.start()
    told = engine.spawn("api:x", json.loads(done.stdout))
    assert told["ok"], told.message
    text = read_all(told.fds[1], until=b"end\n").decode()
    assert {"bin", "it", "proc", "is mounted"} <= set(text.splitlines())
    assert "home" not in text.splitlines()
    assert "Read-only" in text
    assert (users.data_dir / "api/x/mine").exists()
    assert sorted(each.name for each in image.iterdir()) == ["bin", "it"]
