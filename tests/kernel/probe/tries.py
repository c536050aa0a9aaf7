"""Try, from inside an instance, what it should not be able to do; tell what worked.

Usage: tries.py FACTS OUTPUT. FACTS is a JSON file about the outside, OUTPUT becomes a JSON object:
name of each try to "" if it worked, or to why it did not. Standard library only. Every try is
harmless where it works: what it would change is set to what it is, or undone.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Facts = dict[str, Any]
GROUPS = ("processes", "files", "kernel", "privileges", "network")


@dataclass(frozen=True)
class Try:
    """One thing to try.

    Attributes:
        act: Gives something true if it worked; fails, or gives something false, if it did not.
    """

    group: str
    name: str
    act: Callable[[Facts], object]


ALL: list[Try] = []


def attempt(group: str, name: str) -> Callable[[Callable[[Facts], object]], None]:
    """Register a try by the words the table of results shows."""

    def register(act: Callable[[Facts], object]) -> None:
        ALL.append(Try(group, name, act))

    return register


def load() -> list[Try]:
    """Import all groups."""
    if not ALL:
        prefix = __name__.rpartition(".")[0]
        for group in GROUPS:
            importlib.import_module(f"{prefix}.try_{group}" if prefix else f"try_{group}")
    return ALL


def outcome(each: Try, facts: Facts) -> str:
    """Try one thing."""
    try:
        return "" if each.act(facts) else "to no effect"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    # The groups import this file by its name: one registry for both.
    sys.modules["tries"] = sys.modules["__main__"]
    with open(sys.argv[1]) as file:
        known = json.load(file)
    found = {each.name: outcome(each, known) for each in load()}
    with open(f"{sys.argv[2]}.new", "w") as file:
        json.dump(found, file)
    os.rename(f"{sys.argv[2]}.new", sys.argv[2])
