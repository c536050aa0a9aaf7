"""What is written to the files of a cgroup; here they are files like any other."""

import errno
from pathlib import Path

import pytest

from engine.core.limits import CpuMax, IoLimit, LimitsSpec, file_texts
from engine.kernel.cgroup_limits import apply_limits, device_number


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in file_texts(LimitsSpec()).items():
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "io.max").write_text("")
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    return tmp_path


def test_only_what_differs_is_written(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o444)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert apply_limits(str(folder), LimitsSpec()) == []
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_limits_are_written_and_taken_off(folder: Path) -> None:
    limits = LimitsSpec(memory_max=2**20, cpu_max=CpuMax(50_000), pids_max=7)
    assert apply_limits(str(folder), limits) == []
    assert (folder / "memory.max").read_text().startswith("1048576\n")
    assert (folder / "cpu.max").read_text().startswith("50000 100000\n")
    assert (folder / "pids.max").read_text().startswith("7\n")
    apply_limits(str(folder), LimitsSpec())
    assert (folder / "memory.max").read_text().startswith("max\n")
    assert (folder / "pids.max").read_text().startswith("4096\n")


def test_a_controller_that_is_not_there_matters_where_it_is_asked_for(folder: Path) -> None:
    (folder / "memory.max").unlink()
    (folder / "cgroup.controllers").write_text("cpu\n")
    assert apply_limits(str(folder), LimitsSpec(cpu_weight=3)) == []
    (failure,) = apply_limits(str(folder), LimitsSpec(memory_max=2**20))
    assert (failure.key, failure.errno, failure.is_missing) == ("memory_max", errno.ENOENT, True)
    assert f"{folder}/memory.max: No such file or directory (ENOENT)" in str(failure)
    assert "the memory controller is not enabled here" in str(failure)


def test_a_file_that_is_not_there_though_its_controller_is(folder: Path) -> None:
    (folder / "io.weight").unlink()
    (failure,) = apply_limits(str(folder), LimitsSpec(io_weight=3))
    assert not failure.is_missing
    assert "CONFIG_BLK_CGROUP_IOCOST" in str(failure)


def test_devices_are_limited_by_number_and_others_set_free(folder: Path) -> None:
    (folder / "io.max").write_text("9:9 rbps=1 wbps=max riops=max wiops=max\n")
    limits = LimitsSpec(io_max=(IoLimit(device="8:0", wbps=5),))
    assert apply_limits(str(folder), limits) == []
    # The kernel takes one line a write; an ordinary file keeps the last.
    assert (folder / "io.max").read_text().startswith("9:9 rbps=max wbps=max riops=max wiops=max\n")


def test_a_device_that_is_not_there_is_named(folder: Path) -> None:
    limits = LimitsSpec(
        io_max=(IoLimit(device="/dev/no-such", rbps=1), IoLimit(device="/dev/null", rbps=1))
    )
    first, second = apply_limits(str(folder), limits)
    assert (first.path, first.errno) == ("/dev/no-such", errno.ENOENT)
    assert (second.path, second.errno) == ("/dev/null", errno.ENOTBLK)
    assert not first.is_missing


def test_cpus_that_are_not_there_are_told(folder: Path) -> None:
    (folder / "cpuset.cpus.effective").write_text("0-1\n")
    (failure,) = apply_limits(str(folder), LimitsSpec(cpuset="0-3"))
    assert "of 0-3 there are only 0-1" in str(failure)
    assert apply_limits(str(folder), LimitsSpec(cpuset="0-1")) == []


def test_a_number_is_taken_as_it_is() -> None:
    assert device_number("8:16") == "8:16"
