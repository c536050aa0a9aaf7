"""The keys that say whom instances run as."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.core.config_table import short

if TYPE_CHECKING:
    from engine.core.config_table import Table

AUTO, ENGINE = "auto", "engine"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
"""What useradd(8) takes, and a dot."""

_MAX_UID = 2**32 - 3
"""The two above mean "none" and "unchanged" to the kernel."""

_OVERFLOW_UID = 65534
_LEAST_USERS = 2


def read_user(table: Table) -> str:
    """Read `user`; whether a named one exists is the host's to say.

    Raises:
        SpecError: It is no user's name or number.
    """
    text = table.line("user")
    if "user" not in table:
        return ""
    hint = 'use "auto", "engine", the name of a user, or a number in quotes'
    if text.isascii() and text.isdigit():
        if int(text) > _MAX_UID:
            table.fail("user", f"{short(text)} is no uid: the greatest is {_MAX_UID}", hint=hint)
    elif not _NAME.fullmatch(text):
        table.fail("user", f"{short(text)!r} cannot be the name of a user", hint=hint)
    return text


def read_user_range(table: Table, default: tuple[int, int]) -> tuple[int, int]:
    """Read `user_range`, "FIRST-LAST".

    Raises:
        SpecError: It is no range of uids, or holds root's or nobody's.
    """
    text = table.line("user_range", f"{default[0]}-{default[1]}")
    found = re.fullmatch(r"([0-9]{1,10})-([0-9]{1,10})", text)
    if not found:
        hint = f'write it as "{default[0]}-{default[1]}"'
        table.fail("user_range", f"{short(text)!r} is no range of uids", hint=hint)
    first, last = int(found[1]), int(found[2])
    if first < 1 or last > _MAX_UID or last - first + 1 < _LEAST_USERS:
        message = f"user_range = {short(text)!r} must go up, within 1 to {_MAX_UID}"
        table.fail("user_range", message)
    if first <= _OVERFLOW_UID <= last:
        table.fail("user_range", f"user_range = {short(text)!r} holds {_OVERFLOW_UID}, nobody's")
    return first, last
