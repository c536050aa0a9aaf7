"""The packet filter, by its own program: a whole table goes in or out in one transaction.

Source: nft(8).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

from engine.core.errors import FeatureMissing

_SECONDS = 10.0
_NETLINK_NETFILTER = 12
_NFNLGRP_NFTABLES = 7
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def find() -> str:
    """Give the program's path, "" where it is not installed."""
    return shutil.which("nft", path=_PATH) or ""


def load(rules: str) -> None:
    """Carry out commands, all or none.

    Raises:
        FeatureMissing: There is no nft, or the kernel refuses.
    """
    _run(["-f", "-"], rules)


def has_table(name: str) -> bool:
    """Tell whether there is such a table of family inet.

    Raises:
        FeatureMissing: There is no nft.
    """
    try:
        _run(["--terse", "list", "table", "inet", name])
    except FeatureMissing:
        if not find():
            raise
        return False
    return True


def remove_table(name: str) -> None:
    """Remove a table of family inet, if it is there.

    Raises:
        FeatureMissing: There is no nft, or the kernel refuses.
    """
    load(f"table inet {name} {{}}\ndelete table inet {name}\n")


def open_watch() -> socket.socket:
    """Open a socket that can be read whenever somebody has changed the packet filter.

    What is read is of no interest: `has_table` tells. Source: netlink(7).

    Raises:
        OSError: The kernel has none, or does not let us look.
    """
    watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    try:
        watch.setblocking(False)
        watch.bind((0, 1 << _NFNLGRP_NFTABLES - 1))
    except OSError:
        watch.close()
        raise
    return watch


def _run(arguments: list[str], text: str = "") -> None:
    program = find()
    if not program:
        message = "the nft program is not installed"
        raise FeatureMissing(message, hint="apt-get install nftables")
    try:
        done = subprocess.run(  # noqa: S603 - found in the system's own folders
            [program, *arguments],
            input=text,
            text=True,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={"PATH": _PATH, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        message = f"nft does not answer within {_SECONDS:g} s"
        raise FeatureMissing(message) from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [os.strerror(0)]
        message = f"nft: {said[0]}"
        raise FeatureMissing(message, hint="the kernel needs nf_tables with nat: modprobe nft_nat")
