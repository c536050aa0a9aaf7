"""Whatever lies under the name of the configuration file: read, or refused with its place."""

import os
import socket
from pathlib import Path

import pytest

from engine.core.config import describe_error
from engine.core.errors import SpecError
from engine.daemon.config_file import MAX_CONFIG_BYTES, find_config, read_config

NOBODY = 65534


def refused(path: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_config(path)
    error = caught.value
    assert error.path == str(path)
    assert describe_error(error).startswith(f"Failed to {error.verb} config file: {path}\n")
    return error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tenement.toml"


def test_reads_a_file_and_resolves_against_its_folder(path: Path) -> None:
    path.write_text("[service.api]\ncommand = './app'\n")
    config = read_config(str(path))
    assert config.path == str(path)
    assert config.settings.data_dir == str(path.parent / "tenement-data")
    assert config.services["api"].workdir == str(path.parent)


def test_a_link_resolves_against_the_folder_of_the_link(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "real.toml").write_text("")
    path.symlink_to(shared / "real.toml")
    assert read_config(path).settings.data_dir == str(tmp_path / "tenement-data")


def test_passes_on_what_is_asked(path: Path) -> None:
    path.write_text("a = 1\n")
    assert read_config(path, data_dir="/d").settings.data_dir == "/d"
    with pytest.raises(SpecError, match="unknown key a"):
        read_config(path, is_strict=True)


def test_a_broken_file_is_refused_with_its_line(path: Path) -> None:
    path.write_text("a = 1\nb =\n")
    error = refused(path)
    assert (error.line, error.verb) == (2, "parse")


@pytest.mark.parametrize(
    ("data", "line", "column", "excerpt"),
    [
        (b"\xff", 1, 1, "\ufffd"),
        (b"a = 1\r\nb = '\xc3\xa4\xff'\r\nc = 1", 2, 7, "b = 'ä\ufffd'"),
        (b"a = '\xe2\x82", 1, 6, "a = '\ufffd"),
    ],
)
def test_not_utf8(path: Path, data: bytes, line: int, column: int, excerpt: str) -> None:
    path.write_bytes(data)
    error = refused(path)
    assert "is not valid UTF-8" in str(error)
    assert (error.line, error.column, error.excerpt) == (line, column, excerpt)
    assert error.verb == "read"


def test_a_directory(path: Path) -> None:
    path.mkdir()
    assert str(refused(path)) == "Is a directory"


def test_a_pipe_that_nobody_writes_to_keeps_nobody_waiting(path: Path) -> None:
    os.mkfifo(path)
    assert str(refused(path)) == "Is a named pipe"


def test_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        assert str(refused(path)) == "Is a socket"


def test_a_device_without_end(path: Path) -> None:
    path.symlink_to("/dev/zero")
    assert str(refused(path)) == "Is a device"


def test_a_circle_of_links(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    path.symlink_to(other)
    other.symlink_to(path)
    error = refused(path)
    assert str(error) == "Its symbolic links lead in a circle"
    assert error.hint


def test_nothing_there(path: Path) -> None:
    assert refused(path).hint == "make one with: ten init"


def test_no_folder_there(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(refused(tmp_path / "file" / "tenement.toml")) == "Not a directory"


def test_a_name_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_config(tmp_path / "a\0b")
    assert caught.value.verb == "read"
    assert "\0" not in describe_error(caught.value)


def test_unreadable(path: Path) -> None:
    path.write_text("")
    path.chmod(0o600 if os.geteuid() == 0 else 0)
    uid = os.geteuid()
    if uid == 0:  # root reads everything, so it gives that up for a moment
        os.seteuid(NOBODY)
    try:
        error = refused(path)
    finally:
        os.seteuid(uid)
    assert str(error) == "Permission denied"
    assert error.hint


def test_too_large(path: Path) -> None:
    path.write_bytes(b"#" * MAX_CONFIG_BYTES)
    assert read_config(path).services == {}
    path.write_bytes(b"#" * (10 * 1024 * 1024))
    assert str(refused(path)) == "Is larger than 1 MiB"


def test_found_by_walking_up(path: Path, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_config(below) != path
    path.write_text("")
    assert find_config(below) == path
    assert find_config(tmp_path) == path
    nearer = below / "tenement.toml"
    nearer.symlink_to("/nowhere")
    assert find_config(below) == nearer


def test_not_found_up_to_the_root() -> None:
    assert find_config(Path("/proc/self")) is None
