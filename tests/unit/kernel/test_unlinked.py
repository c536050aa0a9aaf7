"""Paths are opened without a link on the way, also where openat2 is refused."""

import errno
import os
from pathlib import Path

import pytest

from engine.kernel.syscalls import KernelError, unlinked

NO_CALL = 9999
"""A number no system call has: the kernel answers ENOSYS, as a filter of systemd does."""


@pytest.fixture(params=["openat2", "step by step"])
def tree(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    if request.param != "openat2":
        monkeypatch.setattr(unlinked, "_SYS_OPENAT2", NO_CALL)
    path = tmp_path.resolve()
    (path / "a/b").mkdir(parents=True)
    (path / "link").symlink_to("a")
    return str(path)


def test_what_has_no_link_is_opened(tree: str) -> None:
    for path in (f"{tree}/a/b", f"{tree}//a/", "/"):
        fd = unlinked.open_path(path, os.O_NOFOLLOW)
        assert os.path.samestat(os.fstat(fd), os.stat(path))
        os.close(fd)
    assert unlinked.is_dir_without_links(f"{tree}/a")


def test_a_link_on_the_way_is_refused_with_the_path(tree: str) -> None:
    with pytest.raises(KernelError) as caught:
        unlinked.open_path(f"{tree}/link/b", os.O_NOFOLLOW)
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert caught.value.filename == f"{tree}/link/b"
    assert not unlinked.is_dir_without_links(f"{tree}/link")
    assert not unlinked.is_dir_without_links(f"{tree}/absent")


def test_a_link_at_the_end_is_opened_itself(tree: str) -> None:
    fd = unlinked.open_path(f"{tree}/link", os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd) == "a"
    os.close(fd)
