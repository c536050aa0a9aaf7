"""Copying: through the terminal by OSC 52, through tmux, or into a file."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_BYTES = 74_994
"""What xterm and most others take; base64 makes 100,000 of it."""

_TMUX_SECONDS = 2


def osc52(text: str, environ: Mapping[str, str]) -> str:
    """Give the sequence that sets the clipboard, wrapped where a multiplexer is between."""
    body = base64.b64encode(text.encode()).decode()
    plain = f"\x1b]52;c;{body}\x07"
    if environ.get("TMUX"):
        return "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("TERM", "").startswith("screen"):
        # GNU screen takes strings of at most 768 bytes.
        chunks = [plain[at : at + 700] for at in range(0, len(plain), 700)]
        return "".join(f"\x1bP{chunk}\x1b\\" for chunk in chunks)
    return plain


def copy(text: str, write: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> str:
    """Copy text the best way there is, and say which way it went."""
    size = len(text.encode())
    if size > LARGEST_BYTES:
        path = save_copy(text, environ)
        return f"too large for the clipboard ({size:,} bytes): written to {path}"
    if environ.get("TMUX") and _into_tmux(text):
        return "copied to tmux and the clipboard"
    write(osc52(text, environ))
    way = "tmux" if environ.get("TMUX") else "terminal"
    return f"copied by the {way} (OSC 52)"


def _into_tmux(text: str) -> bool:
    """Give the text to tmux, which also passes it on to its terminal."""
    tmux = shutil.which("tmux")
    if tmux is None:
        return False
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, the text goes by stdin
            [tmux, "load-buffer", "-w", "-"],
            input=text.encode(),
            capture_output=True,
            timeout=_TMUX_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def save_copy(text: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Write text to the one file that copies too large for the clipboard go to."""
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/")) / ".local/state")
    folder = Path(home) / "ten"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "copied.txt"
    write_private(path, text)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file only the user can read: log lines may hold secrets."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
