"""Lets the members of settings.admin_group reach the engine's Unix socket."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path


def share_socket(data_dir: str | Path, group: str) -> str:
    """Open the way to the socket for a group: through its folders, not into them.

    Its members may pass the data directory and `run` (mode 0710) and connect; they can list
    nothing there. Whether a caller is let in is decided for each connection by
    `engine.daemon.auth`; so nothing is taken back here when the group changes.

    Returns: Why the group cannot reach it; "" where it can, and where there is none of the name.
    """
    if not group:
        return ""
    run = Path(data_dir) / "run"
    listening = Path(os.path.realpath(run / "ten.sock"))
    try:
        gid = grp.getgrnam(group).gr_gid
        for folder in dict.fromkeys((run.parent, run, listening.parent)):
            _let_pass(folder, gid)
        os.chown(listening, -1, gid)
    except KeyError:
        return ""  # said when the configuration was read, with the place
    except OSError as error:
        return f"settings.admin_group: {error.filename}: {error.strerror}"
    return ""


def _let_pass(folder: Path, gid: int) -> None:
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IXOTH:
        return
    if found.st_gid != gid:
        os.chown(folder, -1, gid)
    # What its former group could do there, this one shall not.
    folder.chmod((mode & ~stat.S_IRWXG) | stat.S_IXGRP)
