"""Whom an instance's processes run as."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.config_user import AUTO, ENGINE
from engine.core.errors import FeatureMissing
from engine.core.hardening import Hardening
from engine.core.names import instance_name
from engine.kernel import userns
from engine.runtime.steps import Hide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.core.spec import ServiceSpec
    from engine.runtime.steps import Step

_SUBUID_FIELDS = 3


@dataclass(frozen=True)
class Account:
    """A user of the host, or a uid that has no name there.

    Attributes:
        home: What HOME says.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str


def chosen_user(spec: ServiceSpec) -> str:
    """Give `user` as it is meant where it is not said: "strict" brings an own one."""
    if spec.user:
        return spec.user
    is_strict = spec.hardening.level is Hardening.STRICT
    return AUTO if is_strict and os.geteuid() == 0 else ENGINE


def account_of(
    spec: ServiceSpec, ident: str, *, home: str, uid_of: Callable[[str], int]
) -> Account | None:
    """Find whom an instance runs as; None where that is the engine's user.

    Args:
        spec: Its service.
        ident: Its id.
        home: Its own folder.
        uid_of: Gives the uid that belongs to an instance's name.

    Raises:
        FeatureMissing: Only root may run it so, or there is no such user.
    """
    check(spec)
    text, name = chosen_user(spec), instance_name(spec.name, ident)
    if text == ENGINE:
        return None
    if text == AUTO:
        uid = uid_of(name)
        return Account(uid, uid, (), name.replace(":", "-"), home)
    entry = find_user(text)
    if entry is None:
        return Account(int(text), int(text), (), text, home)
    if entry.pw_uid == os.geteuid():
        return None
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_uid, entry.pw_gid, groups, entry.pw_name, entry.pw_dir)


def check(spec: ServiceSpec) -> None:
    """See that this process may run a service as the user it names.

    Raises:
        FeatureMissing: Only root may, or there is no such user.
    """
    text = chosen_user(spec)
    if text == ENGINE:
        return
    if not (userns.has_capability("setuid") and userns.has_capability("setgid")):
        message = f"{spec.name}: user = {text!r} needs an engine that runs as root"
        raise FeatureMissing(message, hint='run ten serve as root, or set user = "engine"')
    if text != AUTO and not text.isdigit() and find_user(text) is None:
        message = f"{spec.name}: user = {text!r}: there is no such user"
        raise FeatureMissing(message, hint=f"useradd --system {text}")


def why_not_range(first: int, last: int) -> str:
    """Say why instances cannot have the uids of a range; "" where they can.

    Source: subuid(5), user_namespaces(7) on uid_map.
    """
    for entry in pwd.getpwall():
        if first <= entry.pw_uid <= last:
            return f"user_range {first}-{last} holds uid {entry.pw_uid}, {entry.pw_name}'s"
    for owner, start, count in _subordinate_ids():
        if start <= last and first < start + count:
            return f"user_range {first}-{last} overlaps with {owner}'s in /etc/subuid"
    if not any(start <= first and last < start + count for start, count in userns.mapped_uids()):
        return f"user_range {first}-{last} is not mapped into this container's user namespace"
    return ""


def _subordinate_ids() -> list[tuple[str, int, int]]:
    try:
        lines = Path("/etc/subuid").read_text().splitlines()
    except OSError:
        return []
    fields = [line.split(":") for line in lines]
    return [
        (owner, int(start), int(count))
        for owner, start, count in (each for each in fields if len(each) == _SUBUID_FIELDS)
        if start.isdigit() and count.isdigit()
    ]


def find_user(text: str) -> pwd.struct_passwd | None:
    """Look up a user by name or number; None where there is none."""
    try:
        return pwd.getpwuid(int(text)) if text.isdigit() else pwd.getpwnam(text)
    except KeyError:
        return None


def find_closed(path: str, account: Account, steps: Iterable[Step]) -> str:
    """Find the first folder on the way to a path that an account may not enter; "" if none.

    As far as modes tell: access control lists are not read. Folders that the plan covers are
    open, and so are those below them that lead to what is kept in sight.
    """
    opened = {folder for step in steps if isinstance(step, Hide) for folder in _opened(step)}
    folders = [path] if os.path.isdir(path) else []
    while path != "/":
        path = os.path.dirname(path)
        folders.append(path)
    for folder in reversed(folders):
        try:
            if folder not in opened and not _may_enter(os.stat(folder), account):
                return folder
        except OSError:
            break
    return ""


def _opened(cover: Hide) -> list[str]:
    found = [cover.path]
    for path in cover.keep:
        while (path := os.path.dirname(path)) != cover.path:
            found.append(path)
    return found


def _may_enter(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in (account.gid, *account.groups):
        return bool(status.st_mode & stat.S_IXGRP)
    return account.uid == 0 or bool(status.st_mode & stat.S_IXOTH)


def how_to_open(folder: str, account: Account) -> str:
    """Say what lets an account in."""
    return (
        f"uid {account.uid} may not enter {folder}: chmod o+x {folder}, move what is in it, "
        'or set user = "engine"'
    )
