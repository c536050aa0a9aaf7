"""Links, followed only where no instance can have put them.

What an instance may write it may fill with links, and the engine looks at paths as root: a link
there could bring into its sight whatever of the host it leads to. So links are followed outside of
such folders alone; what they lead to is looked at by the launch without following any.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_MOST = 40
"""So many links are followed. Source: path_resolution(7)."""

STORES = (
    ".pyenv/versions",
    ".local/share/uv/python",
    ".local/share/mise/installs",
    ".asdf/installs",
    ".nvm/versions",
    ".rbenv/versions",
    ".volta/tools",
)
"""Where in a home version managers install interpreters: nothing there is secret."""


def is_below(path: str, place: str) -> bool:
    """Tell whether a path lies below another, both absolute and without links or dots."""
    return path.startswith(place.rstrip("/") + "/")


def is_in(path: str, places: Collection[str]) -> bool:
    """Tell whether a path is one of the places, or lies below one."""
    return any(path == each or is_below(path, each) for each in places)


def follow(path: str, written: Collection[str]) -> str:
    """Resolve a path, also one of which the end is not there.

    Args:
        path: Absolute.
        written: Folders where instances write, without links.

    Returns: it without links and dots; "" where a link on the way lies in such a folder.
    """
    names, at, left = deque(path.split("/")), "/", _MOST
    while names:
        name = names.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, name)
        try:
            target = os.readlink(here)
        except OSError:  # no link, or not there
            at = here
            continue
        left -= 1
        if is_in(at, written) or not left:
            return ""
        names.extendleft(reversed(target.split("/")))
        at = "/" if target.startswith("/") else at
    return at


def store_of(path: str, homes: Collection[str]) -> str:
    """Find the installation of an interpreter that a path, links resolved, lies in; "" for none."""
    for home in homes:
        for name in STORES:
            store = os.path.join(home, name)
            if is_below(path, store):
                return os.path.join(store, path[len(store) + 1 :].split("/", 1)[0])
    return ""
