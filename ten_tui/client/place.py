"""Where this console stands, told to the engine so that others see who else is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 60


def place(environ: Mapping[str, str] = os.environ) -> str:
    """Describe this terminal: "pts/3", "eva pts/3 from 10.0.0.7", "" without any.

    The name is of whoever became root with sudo; the address that of an SSH client.
    Source: sshd(8), SSH_CONNECTION; sudo(8), SUDO_USER.
    """
    words = [environ.get("SUDO_USER", "")]
    for stream in (0, 1, 2):
        try:
            words.append(os.ttyname(stream).removeprefix("/dev/"))
        except OSError:
            continue
        break
    if source := environ.get("SSH_CONNECTION", "").partition(" ")[0]:
        words += ["from", source]
    return " ".join(filter(None, words))[:LONGEST]
