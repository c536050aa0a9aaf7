"""The machine by hand: `python -m tests.vm [fetch | shell | SELECTOR...]`; see the package."""

import sys
import time

import pytest

from tests.vm import __doc__ as text
from tests.vm.kernel import fetch
from tests.vm.machine import Machine


def _shell() -> int:
    script = f"TERM=linux PATH={sys.prefix}/bin:$PATH exec setsid -c bash -i"
    with Machine(script, {}, is_interactive=True) as machine:
        while machine.is_running():
            time.sleep(0.1)
    return 0


def _test(words: list[str]) -> int:
    """Run tests; a word that is neither a path nor an option selects by name."""
    arguments = ["-v", "-p", "no:cacheprovider"]
    paths = [word for word in words if "/" in word]
    names = [word for word in words if "/" not in word and not word.startswith("-")]
    if names:
        arguments += ["-k", " or ".join(names)]
    arguments += [word for word in words if word.startswith("-")]
    return pytest.main(arguments + (paths or ["tests/vm"]))


def main(words: list[str]) -> int:
    match words:
        case ["fetch"]:
            fetch()
            return 0
        case ["shell"]:
            return _shell()
        case ["-h" | "--help"]:
            print(text)
            return 0
    return _test(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
