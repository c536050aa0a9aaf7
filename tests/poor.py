"""Hosts that are lacking, made for real out of this one: command lines to put before a program."""

import os
import subprocess

from tests.require import require, require_program

SWITCHED_OFF = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all "$@"',
    "sh",
]
"""No privileges, and user namespaces switched off: /proc/sys says so."""

USED_UP = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    """echo 1 > /proc/sys/user/max_user_namespaces
    exec unshare --user --map-user=1000 --map-group=1000 "$@" """,
    "sh",
]
"""An ordinary user, and no user namespace is left: no switch says so, only trying tells."""


def require_poor() -> None:
    """Go on where such hosts can be made."""
    require_program("unshare", "util-linux")
    require_program("setpriv", "util-linux")
    done = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True)
    require(
        done.returncode == 0 and os.path.exists("/proc/sys/user/max_user_namespaces"),
        "no user namespace can be made",
        "run as root, or set user.max_user_namespaces",
    )
