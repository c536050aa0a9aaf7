"""What is remembered, and that a broken file is not fatal."""

from pathlib import Path

from ten_tui import settings


def test_the_theme_is_remembered(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "TERM": "xterm-256color"}
    assert settings.theme_name(environ) == "dusk"
    assert settings.keep_theme("paper", environ)
    assert settings.theme_name(environ) == "paper"
    assert settings.theme_name({**environ, "NO_COLOR": "1"}) == "mono"
    assert settings.theme_name({**environ, "TEN_THEME": "ember"}) == "ember"


def test_a_broken_or_unwritable_file_is_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "ten" / "console.json"
    path.parent.mkdir()
    path.write_bytes(b"\xff{")
    environ = {"XDG_STATE_HOME": str(tmp_path), "TERM": "dumb"}
    assert settings.theme_name(environ) == "ansi"
    assert not settings.keep_theme("paper", {"XDG_STATE_HOME": "/dev/null"})


def test_who_is_new_is_greeted_once_and_keeps_the_theme(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "TERM": "dumb"}
    assert settings.greet(environ)
    assert not settings.greet(environ)
    assert settings.keep_theme("paper", environ)
    assert not settings.greet(environ)
    assert settings.theme_name(environ) == "paper"
    assert not settings.greet({"XDG_STATE_HOME": "/dev/null"}), "it would be every time"
