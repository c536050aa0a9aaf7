"""What lies over a mount, as mountinfo tells it."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.kernel.mounts import Mount, parse_mount
from engine.runtime.readonly import change, covers_at, make_readonly

FOLDER = "/srv/data/api/x"


def mounts(*places: tuple[int, int, str]) -> list[Mount]:
    line = "{} {} 8:1 / {} rw - ext4 /dev/vda rw"
    return [parse_mount(line.format(number, above, target)) for number, above, target in places]


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (mounts((1, 0, "/"), (2, 1, FOLDER)), 0),
        (mounts((1, 0, "/"), (2, 1, FOLDER), (3, 2, FOLDER)), 1),
        (mounts((1, 0, "/"), (2, 1, FOLDER), (3, 2, FOLDER), (4, 3, FOLDER)), 2),
        # Hidden below a cover of the folder above, and there once more: nothing lies over it.
        (mounts((1, 0, "/"), (2, 1, FOLDER), (3, 1, "/srv/data"), (4, 3, FOLDER)), 0),
    ],
)
def test_what_lies_over_a_mount_is_what_is_mounted_on_it(found: list[Mount], count: int) -> None:
    assert covers_at(found, FOLDER) == count


def test_a_folder_that_is_no_mount_is_left_alone() -> None:
    with pytest.raises(OSError, match="no mount of its own"):
        make_readonly("/srv", mounts((1, 0, "/")))


def test_a_failure_says_why(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(OSError, match=f"{tmp_path}: "):
            change(child.pid, str(tmp_path), is_readonly=True)
    finally:
        child.communicate(b"\n")
