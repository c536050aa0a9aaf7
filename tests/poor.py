"""Hosts that are lacking, made for real out of this one: command lines to put before a program."""

import contextlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.require import require, require_program, require_root

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


NOBODYS_UID = 1234
"""An ordinary user's: nobody's in particular."""

PACKAGES = ("engine", "msgspec", "psutil")
"""What a program of ours needs to be read by somebody who may not read the checkout."""


def open_the_way(folder: Path) -> None:
    """Let everybody pass through the folders that lead to one; pytest closes them to others."""
    for each in (folder, *folder.parents):
        if stat.S_IMODE(each.stat().st_mode) == 0o700:
            each.chmod(0o711)


@contextlib.contextmanager
def ordinary(*modules: str) -> Iterator[tuple[list[str], Path]]:
    """Give a command line that runs a program of ours as an ordinary user, and his folder.

    Sources and libraries are copied to where he can read them; the interpreter is the system's.
    """
    require_root()
    require_program("setpriv", "util-linux")
    same = sys.version_info[:2] == _version("/usr/bin/python3")
    require(same, "no system Python of this version", "apt-get install python3")
    with tempfile.TemporaryDirectory(prefix="ten-ordinary-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for package in PACKAGES:
            spec = importlib.util.find_spec(package)
            assert spec is not None
            assert spec.submodule_search_locations is not None
            source = spec.submodule_search_locations[0]
            ignored = shutil.ignore_patterns("__pycache__", "tests")
            shutil.copytree(source, folder / "lib" / package, ignore=ignored)
        home = folder / "home"
        home.mkdir()
        os.chown(home, NOBODYS_UID, NOBODYS_UID)
        ids = [f"--reuid={NOBODYS_UID}", f"--regid={NOBODYS_UID}", "--clear-groups"]
        env = ["env", f"PYTHONPATH={folder / 'lib'}", f"HOME={home}"]
        yield ["setpriv", *ids, *env, "/usr/bin/python3", "-P", "-m", *modules], home


def _version(python: str) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, done.stdout.split()))
