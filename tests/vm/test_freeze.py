"""What is frozen gives its memory back to a host that has swap, and has it again when asked."""

from pathlib import Path

from engine.kernel.cgroup import group_of
from tests.e2e.engine_run import EngineRun, wait_until


def test_a_frozen_one_gives_its_memory_back(engine: EngineRun) -> None:
    name = "chilly:x"
    folder = Path("/sys/fs/cgroup", group_of(str(engine.data_dir)), name)

    def read(file: str) -> int:
        return int((folder / file).read_text())

    assert engine.spawn(name)[0] == 200
    pid = engine.wait_state(name, "healthy", "frozen", seconds=60)["pid"]
    assert engine.visit("x.chilly", "/eat/40", timeout=120) == (200, "40 MiB")
    full = read("memory.current")
    assert full > 40 << 20
    engine.wait_state(name, "frozen", seconds=60)
    wait_until(lambda: read("memory.current") < 0.3 * full, "70% are given back", 60)
    assert read("memory.swap.current") > 30 << 20
    assert engine.state(name) == "frozen"
    assert engine.visit("x.chilly", timeout=60) == (200, "40 MiB")
    assert engine.instance(name)["pid"] == pid
    print(f"memory.current {full} before, {read('memory.current')} after the thaw")
