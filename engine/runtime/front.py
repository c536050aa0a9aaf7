"""Becomes the Caddy in front of the doors: `python -P -m engine front`, started by the keeper.

It reads the configuration and the certificates while it may, gives up what Caddy does not need,
and executes Caddy in its place, which so has the keeper for a parent: started again when it dies,
killed when the keeper dies. Standard output and error are `front.log`, emptied with each start.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from engine.core.caddy import ADMIN_SOCKET, STORAGE_FD, caddy_config, merged
from engine.core.errors import FeatureMissing
from engine.kernel import syscalls
from engine.kernel.syscalls.process import write_whole
from engine.runtime.caddy import read_pems
from engine.runtime.rundir import make_own_dir, remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from engine.core.caddy import FrontOptions
    from engine.core.spec import TlsSpec

CONFIG_NAME = "caddy.json"


def config_of(tls: TlsSpec, options: FrontOptions, port: int) -> dict[str, Any]:
    """Write Caddy's configuration with the certificates that are in the files now.

    Raises:
        FeatureMissing: One of them cannot be used.
    """
    in_force = merged(tls, options)
    return caddy_config(in_force, read_pems(in_force), port=port)


def run_front(
    read: Callable[[], TlsSpec],
    options: FrontOptions,
    *,
    port: int,
    drop: Callable[[int | None], None],
) -> int:
    """Become Caddy, in the keeper's folder for it; give an exit status where that fails.

    Args:
        read: Reads the table of the configuration file.
        options: As `ten serve` has settled them.
        port: Of the doors.
        drop: Gives up all rights, and becomes a user where this is root.
    """
    parent = os.getppid()
    os.truncate(sys.stderr.fileno(), 0)
    tls = read()
    text = _text(tls, options, port)
    make_own_dir(tls.cache_dir, options.uid)
    storage = os.open(tls.cache_dir, os.O_PATH | os.O_DIRECTORY)
    os.dup2(storage, STORAGE_FD)
    os.set_inheritable(STORAGE_FD, True)  # dup2 leaves it as it is where both are the same
    drop(options.uid)
    # After the change of user: the kernel forgets the wish with it.
    if not syscalls.set_pdeathsig(signal.SIGKILL, parent):
        return 1
    os.umask(0o077)
    if text:
        write_whole(CONFIG_NAME, text)
    remove(ADMIN_SOCKET)  # left by one that was killed
    # What it wants to keep for itself, the number of this installation, lies with the certificates.
    kept = {"HOME": os.getcwd(), "XDG_DATA_HOME": f"/proc/self/fd/{STORAGE_FD}"}
    env = {**kept, "PATH": os.environ.get("PATH", os.defpath)}
    argv = [options.caddy, "run", "--config", CONFIG_NAME]
    return os.execve(options.caddy, argv, env)  # noqa: S606 - no shell is what is meant


def _text(tls: TlsSpec, options: FrontOptions, port: int) -> str:
    """Give the configuration; "" where the last one has to do, as a certificate is bad now."""
    try:
        return json.dumps(config_of(tls, options, port))
    except FeatureMissing as error:
        if not os.path.exists(CONFIG_NAME):
            raise
        sys.stderr.write(f"the certificates of the last start are used: {error}\n")
        return ""
