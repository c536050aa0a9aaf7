"""Copying: which way it goes, and what it says."""

import base64
import stat
from pathlib import Path

import pytest

from ten_tui import clipboard


def test_osc_52_is_wrapped_for_multiplexers() -> None:
    body = base64.b64encode(b"abc").decode()
    assert clipboard.osc52("abc", {}) == f"\x1b]52;c;{body}\x07"
    wrapped = clipboard.osc52("abc", {"TMUX": "1"})
    assert wrapped == f"\x1bPtmux;\x1b\x1b]52;c;{body}\x07\x1b\\"
    pieces = clipboard.osc52("x" * 3000, {"TERM": "screen-256color"})
    assert pieces.count("\x1bP") > 3
    assert max(map(len, pieces.split("\x1b\\"))) < 768


def test_copy_writes_to_the_terminal(tmp_path: Path) -> None:
    sent: list[str] = []
    said = clipboard.copy("text", sent.append, {"XDG_STATE_HOME": str(tmp_path)})
    assert "OSC 52" in said
    assert len(sent) == 1
    assert not (tmp_path / "ten").exists()


def test_too_much_goes_to_a_file_that_only_the_user_can_read(tmp_path: Path) -> None:
    sent: list[str] = []
    text = "é" * clipboard.LARGEST_BYTES
    said = clipboard.copy(text, sent.append, {"XDG_STATE_HOME": str(tmp_path)})
    path = tmp_path / "ten" / "copied.txt"
    assert str(path) in said
    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sent == []


def test_without_a_tmux_program_the_wrapped_sequence_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    sent: list[str] = []
    assert "tmux" in clipboard.copy("a", sent.append, {"TMUX": "/tmp/x,1,0"})
    assert sent[0].startswith("\x1bPtmux;")
