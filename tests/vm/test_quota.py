"""Hard quotas on a file system that has them: ext4 with project quotas, on a disk of its own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.kernel import project_quota
from tests.e2e.engine_run import EngineRun, wait_until

DISK = "/dev/vda"
WRITER = f"{sys.executable} -S {Path(__file__).parents[1] / 'e2e' / 'writer.py'}"
CONFIG = f"""
[service.held]
command = "{WRITER}"
storage_quota_mb = 2
storage_action = "hard"
stop_grace = 1
"""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mkfs = ["mkfs.ext4", "-q", "-F", "-O", "quota,project", "-E", "quotatype=prjquota", DISK, "64M"]
    subprocess.run(mkfs, check=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "prjquota", DISK, folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def usage(run: EngineRun, ident: str) -> project_quota.Quota:
    found = project_quota.look(str(run.data_dir / "held" / ident))
    assert found is not None
    return found


def test_nobody_writes_past_a_hard_quota(mounted: Path) -> None:
    run = EngineRun(mounted, CONFIG)
    try:
        run.start()
        for name in ("held:x", "held:y"):
            assert run.spawn(name)[0] == 200
            run.wait_state(name, "healthy")
        assert run.visit("x.held", "/write/a/1500") == (200, "written")
        assert run.visit("x.held", "/write/b/1500") == (200, "EDQUOT")
        assert run.visit("x.held", "/leave/a") == (200, "ENOTSUP"), "it cannot leave its project"
        assert run.visit("y.held", "/write/b/1500") == (200, "written"), "nobody else is touched"
        assert usage(run, "x").limit_bytes == 2 << 20
        assert 1500 << 10 <= usage(run, "x").used_bytes <= 2 << 20

        run.kill_engine()
        wait_until(run.answers, "the next engine answers")
        run.config.write_text(CONFIG.replace("_mb = 2", "_mb = 4"))
        wait_until(lambda: usage(run, "x").limit_bytes == 4 << 20, "it follows the file", 60)
        assert run.visit("x.held", "/write/b/1500") == (200, "written")
        told = run.instance("held:x")
        wait_until(lambda: run.instance("held:x")["storage_used_bytes"] > 2900 << 10, "seen", 60)
        assert told["storage_quota_bytes"] == 4 << 20
    finally:
        run.end()


def test_what_was_there_before_counts_and_a_lifted_limit_is_gone(mounted: Path) -> None:
    folder = mounted / "own"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(b"x" * (1 << 20))
    project_quota.hold(str(folder), 2 << 20)
    found = project_quota.look(str(folder))
    assert found is not None
    assert found.limit_bytes == 2 << 20
    assert found.used_bytes >= 1 << 20
    assert found.files == 3
    other = mounted / "other"
    shutil.copytree(folder, other)
    assert project_quota.look(str(other)) is None, "a copy is no part of it"
    project_quota.release(str(folder))
    (folder / "more").write_bytes(b"x" * (2 << 20))
    found = project_quota.look(str(folder))
    assert found is not None
    assert (found.limit_bytes, found.files) == (0, 4)
