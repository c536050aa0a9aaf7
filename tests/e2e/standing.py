"""What of an engine's instances stands around: to be compared before and after."""

import os
import time
from pathlib import Path

import psutil

from engine.kernel.cgroup import find_tree, group_of
from tests import leaks, nets
from tests.e2e.engine_run import EngineRun, wait_until


def descendants(run: EngineRun) -> list[psutil.Process]:
    """Give all processes below the keeper but engine and doors."""
    keeper = psutil.Process(run.pid("keeper"))
    marks = {"--keeper-fd", "--supply-fd"}
    own = {each.pid for each in keeper.children() if marks & set(each.cmdline())}
    return [each for each in keeper.children(recursive=True) if each.pid not in own]


def cgroups(run: EngineRun) -> set[str]:
    """Name the instances that have a cgroup."""
    tree = find_tree()
    folder = Path(tree.path, group_of(str(run.data_dir))) if tree else Path("/none")
    return {each.name for each in folder.iterdir() if each.is_dir()} if folder.exists() else set()


def held(pid: int) -> dict[str, int]:
    """Count what a process has open that is no file with a path: sockets, pidfds, namespaces."""
    found: dict[str, int] = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind = os.readlink(link).partition(":[")[0]
        except FileNotFoundError:
            continue  # closed meanwhile
        if not kind.startswith("/"):
            found[kind] = found.get(kind, 0) + 1
    return found


def settled(pid: int) -> dict[str, int]:
    """Count them once they stay the same: a connection of a moment ago may be about to close."""
    before: dict[str, int] = {}
    while (now := held(pid)) != before:
        before = now
        time.sleep(0.2)
    return now


def standing(run: EngineRun) -> dict[str, object]:
    """Tell what stands around of instances; their logs, figures and own folders are to stay."""
    return {
        "processes": [each.pid for each in descendants(run)],
        "cgroups": cgroups(run),
        "mounts": leaks.look().mounts,
        "the keeper's descriptors": settled(run.pid("keeper")),
        "the engine's descriptors": settled(run.pid("engine")),
        "networks in sockets": nets.of_sockets(run.pid("keeper")),
        "records": sorted(os.listdir(run.data_dir / "run/instances")),
        "files of tenants": sorted(
            path
            for folder in run.data_dir.iterdir()
            if folder.is_dir() and folder.name not in ("run", "logs", "secrets", ".metrics")
            for path in folder.glob("*/*")
        ),
    }


def wait_same(run: EngineRun, before: dict[str, object], seconds: float = 15.0) -> None:
    """Wait until no more and no less stands around than before."""

    def differs() -> dict[str, object]:
        now = standing(run)
        return {what: (before[what], now[what]) for what in before if now[what] != before[what]}

    try:
        wait_until(lambda: not differs(), "nothing is left behind", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {differs()}") from error
