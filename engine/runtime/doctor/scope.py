"""What a check is told, and how it answers."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from engine.core.doctor import Answer
from engine.core.spec import Isolation
from engine.kernel import tries, userns
from engine.kernel.cgroup import CgroupTree, find_tree
from engine.kernel.controllers import Survey, survey
from engine.runtime.host import Lack, check
from engine.runtime.trial import Trial, try_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.spec import Config, ServiceSpec


class Said(NamedTuple):
    """What a check says; the table in `examine` adds its name and title."""

    value: Answer
    detail: str = ""
    why: str = ""
    fix: str = ""
    needed_by: tuple[str, ...] = ()


class Terminal(NamedTuple):
    """Where the report is read."""

    is_tty: bool
    columns: int
    encoding: str
    term: str
    colours: str


class Scope:
    """A host, a configuration, and where the question comes from.

    Things tried out are tried once for all checks.

    Attributes:
        config: None where there is none: then nothing is needed but what always is.
        error: Why the configuration cannot be read, "" where it can.
        data_dir: Where the engine's files are or would be.
        port: Of the door.
        is_engine: Asked by the running engine, which holds its port and has no terminal.
    """

    def __init__(
        self,
        config: Config | None,
        data_dir: str,
        *,
        error: str = "",
        port: int = 8080,
        is_engine: bool = False,
        terminal: Terminal | None = None,
    ) -> None:
        """Take what is known before anything is looked at."""
        self.config = config
        self.error = error
        self.data_dir = data_dir
        self.port = port
        self.is_engine = is_engine
        self.terminal = terminal

    @property
    def is_root(self) -> bool:
        """Whether we may do what root may."""
        return os.geteuid() == 0 and userns.has_capability("sys_admin")

    @cached_property
    def tree(self) -> CgroupTree | None:
        """Where cgroups can be made."""
        return find_tree()

    @cached_property
    def survey(self) -> Survey:
        """Which controllers limits can use, and why not the others."""
        return survey()

    @cached_property
    def tries(self) -> dict[str, int]:
        """What was tried in forked processes."""
        return tries.try_all(self.tree.path if self.tree else "")

    @cached_property
    def launch(self) -> Trial:
        """A whole launch in isolation `namespace`."""
        return try_out(Isolation.NAMESPACE)

    @cached_property
    def lacks(self) -> list[Lack]:
        """What the configuration asks for in vain."""
        return check(self.config) if self.config else []

    def shows(self, name: str) -> bool:
        """Tell whether a check of the terminal has something to look at."""
        is_tty = self.terminal is not None and self.terminal.is_tty
        return is_tty or (self.terminal is not None and name == "terminal.kind")

    def asking(self, key: str, claim: Callable[[ServiceSpec], object]) -> tuple[str, ...]:
        """Name that key of every service of which something is true."""
        services = self.config.services if self.config else {}
        return tuple(f"service.{name}.{key}" for name, spec in services.items() if claim(spec))

    def isolated(self, kind: Isolation) -> tuple[str, ...]:
        """Name the keys that ask for a kind of isolation."""
        return self.asking("isolation", lambda spec: spec.isolation is kind)


ALWAYS = ("every instance",)
"""`needed_by` of what nothing runs without."""


def yes(detail: str = "") -> Said:
    """It is there."""
    return Said(Answer.YES, detail)


def no(why: str, fix: str = "", *, detail: str = "", needed_by: tuple[str, ...] = ()) -> Said:
    """It is not there."""
    return Said(Answer.NO, detail, why, fix, needed_by)


def partly(why: str, fix: str = "", *, detail: str = "", needed_by: tuple[str, ...] = ()) -> Said:
    """It is there, but not wholly."""
    return Said(Answer.PARTLY, detail, why, fix, needed_by)


def unless(why: str, fix: str = "", *, detail: str = "", needed_by: tuple[str, ...] = ()) -> Said:
    """It is there unless there is a reason why not."""
    return no(why, fix, needed_by=needed_by) if why else yes(detail)


def size(count: int) -> str:
    """Write bytes with their unit, "1.5 GiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"
