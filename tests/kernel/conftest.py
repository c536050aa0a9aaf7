"""Fixtures of tests with real namespaces, cgroups and a real keeper."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.core.spec import Isolation, ServiceSpec
from engine.kernel.cgroup import CgroupTree, find_tree, group_of
from engine.runtime.plan import build_plan
from tests.kernel.harness import Host, Played, host
from tests.require import require


@pytest.fixture
def kept(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    """Prepare a keeper; `both_reapers` gives it a command to be run by."""
    with host(tmp_path, prefix=getattr(request, "param", ())) as made:
        yield made


@pytest.fixture
def engine(kept: Host) -> Played:
    return kept.start()


@pytest.fixture
def tree() -> CgroupTree:
    found = find_tree()
    require(found is not None, "no cgroup v2 tree is writable", "run as root on a host with one")
    assert found is not None
    return found


Planner = Callable[..., list[list[object]]]


@pytest.fixture
def planned(kept: Host) -> Planner:
    """Build a real plan of a service "api" that runs a shell script."""

    def make(
        script: str,
        ident: str = "x",
        *,
        isolation: Isolation = Isolation.NAMESPACE,
        cgroup: str = "",
        **fields: object,
    ) -> list[list[object]]:
        values = {"workdir": "/", "command": "/bin/sh", "args": ("-c", script)} | fields
        spec = ServiceSpec(name="api", isolation=isolation, **values)  # type: ignore[arg-type]
        return build_plan(
            spec,
            ident,
            port=31234,
            data_dir=str(kept.data_dir),
            cgroup=cgroup,
            environ=os.environ,
            pass_env=("PATH",),
        ).to_wire()

    return make


@pytest.fixture
def cgroup(kept: Host, tree: CgroupTree) -> Callable[[str], str]:
    """Make a cgroup for an instance, where the engine would."""
    return lambda name: tree.create(f"{group_of(str(kept.data_dir))}/{name}").path
