"""Bundles on disk: whole or not at all, and nothing hostile gets through."""

import os
import zipfile
from pathlib import Path

import pytest

from engine.core.errors import TenError
from engine.core.wire import LogWindow
from ten_tui.client import bundle_file
from tests.unit.ten_tui.client.bundles import small_bundle


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_text("what was there before")
    bundle_file.write(path, small_bundle())
    assert bundle_file.read(path) == small_bundle()
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["a.zip"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a.zip"
    folder.mkdir()
    with pytest.raises(TenError, match=r"Cannot write .*a\.zip"):
        bundle_file.write(folder, small_bundle())
    with pytest.raises(TenError, match="No such file or directory"):
        bundle_file.write(tmp_path / "none" / "a.zip", small_bundle())
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_cut_or_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    bundle_file.write(path, small_bundle())
    data = path.read_bytes()
    for length in (0, 1, 30, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(TenError, match="is not a bundle, or it is damaged"):
            bundle_file.read(path)
    refused = 0
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            bundle_file.read(path)
        except TenError:
            refused += 1
    assert refused > len(data) // 14


def _rewrite(path: Path, name: str, data: bytes) -> None:
    """Replace one member, or add it."""
    bundle_file.write(path, small_bundle())
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in (members | {name: data}).items():
            archive.writestr(each, content)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("manifest.json", b'{"format": "other"}', "another program's"),
        ("manifest.json", b'{"format": "ten-bundle", "version": 9}', "of version 9"),
        ("manifest.json", b"[]", "Expected `object`"),
        ("manifest.json", b"[" * 100_000, "manifest.json: "),
        ("state.json", b"{}", "state.json: "),
        ("logs.jsonl", b'{"name": 3}', "logs.jsonl: "),
        ("events.jsonl", b"\xff\xfe", "events.jsonl: "),
    ],
)
def test_wrong_members_are_refused(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / "a.zip"
    _rewrite(path, name, data)
    with pytest.raises(TenError, match=said):
        bundle_file.read(path)


def test_a_bomb_is_not_unpacked_and_no_name_leads_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    _rewrite(path, "../../outside", b"x")
    assert bundle_file.read(path) == small_bundle()
    assert os.listdir(tmp_path) == ["a.zip"]
    monkeypatch.setattr(bundle_file, "MAX_BYTES", 1_000_000)
    _rewrite(path, "logs.jsonl", b"\n" * 2_000_000)
    assert path.stat().st_size < 10_000
    with pytest.raises(TenError, match="is larger than"):
        bundle_file.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(bundle_file.MAX_MEMBERS + 1):
            archive.writestr(str(number), b"")
    with pytest.raises(TenError, match="too many members"):
        bundle_file.read(path)


def test_what_is_no_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TenError, match="is not a file"):
        bundle_file.read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TenError, match="is not a file"):
        bundle_file.read(tmp_path / "pipe")


def test_windows_of_one_log_stay_apart_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    bundle_file.write(path, small_bundle())
    assert all(isinstance(one, LogWindow) for one in bundle_file.read(path).logs)
    assert len(bundle_file.read(path).logs) == 2
