"""`make test`: pytest, with two workers that cannot meet each other where the host can have such.

Most tests of real processes wait: two lists of them side by side take little more than half the
time. But each test looks at what it left behind on the host, and engines of both lists would meet
at ports. So each worker has a network, a cgroup tree, /tmp and /run of its own (tests/apart.sh).
That needs root, and a cgroup v2 tree besides the one that has the controllers; elsewhere there is
one list, as with `python -m pytest`.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed import REQUIREMENTS, installed

WORKERS = 2
_TREE = Path("/sys/fs/cgroup/unified")
_PATIENCE_SECONDS = 10.0
_WORKER = Path(__file__).with_name("apart.sh")
_OWN_WAY = ("-n", "--numprocesses", "-d", "--dist", "--tx", "--collect-only", "--co", "--pdb")


def main(arguments: list[str]) -> int:
    """Run pytest with these arguments, and give its exit status."""
    command = [sys.executable, "-m", "pytest", *arguments]
    if not _can_be_apart() or any(each.split("=")[0] in _OWN_WAY for each in arguments):
        os.execv(sys.executable, command)
    _fetch()
    with _tree() as tree, tempfile.TemporaryDirectory(prefix="tests-") as folder:
        worker = f"{WORKERS}*popen//python={_WORKER} {tree} {folder} {sys.executable}"
        options = ["--dist=loadfile", "--no-loadscope-reorder", f"--tx={worker}"]
        # Where the plugins of pytest make what their workers are to see.
        shared = Path("/tmp/pytest-of-root")
        shared.mkdir(mode=0o700, exist_ok=True)
        environ = os.environ | {"TMPDIR": str(shared), "PYTEST_DEBUG_TEMPROOT": "/tmp"}
        return subprocess.run([*command, *options], env=environ, check=False).returncode


def _can_be_apart() -> bool:
    return (
        os.geteuid() == 0
        and len(os.sched_getaffinity(0)) >= WORKERS
        and (_TREE / "cgroup.procs").exists()
        and all(shutil.which(name) for name in ("unshare", "mount", "ip"))
        and subprocess.run(["unshare", "-n", "-m", "-C", "true"], check=False).returncode == 0
    )


def _fetch() -> None:
    """Install what tests install when they first need it: a worker's network leads nowhere."""
    for name in REQUIREMENTS:
        # Where it cannot be had, the test that needs it says so.
        with contextlib.suppress(pytest.skip.Exception, pytest.fail.Exception):
            installed(name)


@contextlib.contextmanager
def _tree() -> Iterator[Path]:
    """Make the cgroup below which each worker has its own; remove all of them afterwards."""
    tree = _TREE / f"tests-{os.getpid()}"
    tree.mkdir()
    try:
        yield tree
    finally:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with contextlib.suppress(OSError):
            (tree / "cgroup.kill").write_text("1")
        while not _is_removed(tree) and time.monotonic() < deadline:
            time.sleep(0.1)  # what has ended is still there for a moment


def _is_removed(tree: Path) -> bool:
    try:
        for folder, _, _ in os.walk(tree, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
