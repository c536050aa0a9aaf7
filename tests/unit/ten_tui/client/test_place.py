"""Where a console says it stands."""

import os
import pty

import pytest

from ten_tui.client.place import LONGEST, place


def test_a_terminal_is_named_with_who_came_and_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    main, side = pty.openpty()
    try:
        name = os.ttyname(side)
        monkeypatch.setattr(os, "ttyname", lambda fd: os.ctermid() if fd is None else name)
        environ = {"SUDO_USER": "eva", "SSH_CONNECTION": "10.0.0.7 5022 10.0.0.1 22"}
        assert place(environ) == f"eva {name.removeprefix('/dev/')} from 10.0.0.7"
        assert len(place({"SUDO_USER": "x" * 500})) == LONGEST
    finally:
        os.close(main)
        os.close(side)
