"""The machine is what the tests in it rely on."""

import os
from pathlib import Path

from engine.kernel.cgroup import find_tree


def test_the_cgroup_tree_gives_every_controller() -> None:
    tree = find_tree()
    assert tree is not None
    assert tree.path == "/sys/fs/cgroup"
    assert tree.controllers >= {"cpu", "cpuset", "io", "memory", "pids"}
    given = set(Path(tree.path, "cgroup.subtree_control").read_text().split())
    assert given >= {"cpu", "cpuset", "io", "memory", "pids"}


def test_it_has_root_pressure_swap_and_a_disk() -> None:
    assert os.geteuid() == 0
    assert "some avg10=" in Path("/proc/pressure/memory").read_text()
    _, swap = Path("/proc/swaps").read_text().splitlines()
    assert swap.startswith("/dev/zram0")
    assert Path("/sys/block/vda/size").read_text() == f"{(512 << 20) // 512}\n"
