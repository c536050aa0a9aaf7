"""Which controllers there are and why not: asked of this host, and of hosts that are lacking."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.kernel.cgroup import CONTROLLERS
from engine.kernel.controllers import survey
from tests.require import require_program, require_root

pytestmark = pytest.mark.kernel

ASK = (
    "import json; from engine.kernel.controllers import survey; found = survey();"
    "print(json.dumps([found.tree, sorted(found.usable), found.missing]))"
)


def ask(prefix: list[str]) -> tuple[str, list[str], dict[str, list[str]]]:
    require_root()
    require_program("unshare", "util-linux")
    done = subprocess.run(
        [*prefix, sys.executable, "-c", ASK], capture_output=True, text=True, check=True
    )
    tree, usable, missing = json.loads(done.stdout)
    return tree, usable, missing


def test_each_controller_is_usable_or_missing_for_a_reason_with_a_fix() -> None:
    found = survey()
    assert found.usable.isdisjoint(found.missing)
    assert found.usable | found.missing.keys() == set(CONTROLLERS)
    for missing in found.missing.values():
        assert missing.reason
        assert missing.fix
    if found.tree:
        given = set(Path(found.tree, "cgroup.controllers").read_text().split())
        assert found.usable == given & set(CONTROLLERS)


def test_a_host_without_the_v2_tree() -> None:
    script = 'for at in $(findmnt -rn -t cgroup2 -o TARGET); do umount -l $at; done; exec "$@"'
    tree, usable, missing = ask(["unshare", "-m", "sh", "-c", script, "sh"])
    assert (tree, usable) == ("", [])
    assert {
        "v1 only" in reason or "no cgroup v2 tree" in reason for reason, _ in missing.values()
    } == {True}


def test_a_host_whose_tree_is_read_only() -> None:
    script = (
        "for at in $(findmnt -rn -t cgroup2 -o TARGET); do mount -o remount,bind,ro $at; done;"
        ' exec "$@"'
    )
    tree, usable, missing = ask(["unshare", "-m", "sh", "-c", script, "sh"])
    assert (tree, usable) == ("", [])
    assert set(missing) == set(CONTROLLERS)


def test_a_user_to_whom_nothing_is_delegated() -> None:
    require_program("setpriv", "util-linux")
    tree, usable, missing = ask(["setpriv", "--reuid=65534", "--clear-groups"])
    assert (tree, usable) == ("", [])
    assert set(missing) == set(CONTROLLERS)
