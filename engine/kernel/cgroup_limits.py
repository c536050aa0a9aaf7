"""Limits written to the files of a cgroup.

Source: Documentation/admin-guide/cgroup-v2.rst, "Interface Files" of each controller.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.core.limits import IO_KEYS, KEYS, MAX, asked, file_texts

if TYPE_CHECKING:
    from engine.core.limits import IoLimit, LimitsSpec

_KEY_OF = {it.file: key for key, it in KEYS.items()}

_HINTS = {
    ("memory.max", errno.EBUSY): "it uses more and cannot give it back",
    ("io.max", errno.ENODEV): "only a whole disk that is there can be limited",
    ("cpuset.cpus", errno.EINVAL): "these CPUs are not all there",
    ("cpuset.cpus", errno.ERANGE): "these CPUs are not all there",
}


class Failure(NamedTuple):
    """A limit that does not hold.

    Attributes:
        key: The one that asked for it.
        path: The file.
        errno: What the kernel said.
        detail: More about it, or "".
        is_missing: The host lacks the controller: no value would do.
    """

    key: str
    path: str
    errno: int
    detail: str = ""
    is_missing: bool = False

    def __str__(self) -> str:
        """Say it in one line."""
        name = errno.errorcode.get(self.errno, str(self.errno))
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.key}: {self.path}: {os.strerror(self.errno)} ({name}){detail}"


def apply_limits(folder: str, limits: LimitsSpec) -> list[Failure]:
    """Make a cgroup's files say what the limits do; those that say so already stay untouched.

    Lowering memory.max below what is used makes the kernel reclaim, then kill, before this
    returns: with processes in the cgroup, call it in a worker thread.

    Returns: The limits asked for that do not hold. The rest does.
    """
    wanted = asked(limits)
    failures = []
    for name, text in file_texts(limits).items():
        failure = _write(folder, name, text, is_asked=_KEY_OF[name] in wanted)
        if failure is not None:
            failures.append(failure)
    failures += _apply_io_max(folder, limits.io_max or ())
    if limits.cpuset and not any(each.key == "cpuset" for each in failures):
        failures += _check_cpus(folder, limits.cpuset)
    return failures


def device_number(device: str) -> str:
    """Give "MAJOR:MINOR" of a block device; of a partition, those of its disk.

    Raises:
        OSError: It is not there (ENOENT) or no block device (ENOTBLK).
    """
    if not device.startswith("/"):
        return device
    status = os.stat(device)
    if not stat.S_ISBLK(status.st_mode):
        raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK), device)
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    about = os.path.realpath(f"/sys/dev/block/{number}")
    if os.path.exists(f"{about}/partition"):
        return Path(about).parent.joinpath("dev").read_text().strip()
    return number


def _write(folder: str, name: str, text: str, *, is_asked: bool) -> Failure | None:
    """Write one file; one that is not there only matters where it is asked for."""
    path = f"{folder}/{name}"
    try:
        if _says(name, Path(path).read_text(), text):
            return None
        _put(path, text)
    except OSError as error:
        number = error.errno or errno.EIO
        if not is_asked and number == errno.ENOENT:
            return None
        return _failure(_KEY_OF[name], path, number)
    return None


def _says(name: str, found: str, text: str) -> bool:
    first = found.partition("\n")[0]
    if name == "cpu.weight" and first == "0":
        return False  # idle
    return first == text


def _failure(key: str, path: str, number: int) -> Failure:
    folder, _, name = path.rpartition("/")
    given = _read(f"{folder}/cgroup.controllers").split()
    is_missing = number == errno.ENOENT and KEYS[key].controller not in given
    return Failure(key, path, number, _detail(name, number), is_missing)


def _detail(name: str, number: int) -> str:
    if number != errno.ENOENT:
        return _HINTS.get((name, number), "")
    controller = KEYS[_KEY_OF[name]].controller
    if name == "io.weight":
        return "needs the io controller and a kernel with CONFIG_BLK_CGROUP_IOCOST"
    if name == "memory.swap.max":
        return "needs the memory controller and a kernel with swap"
    return f"the {controller} controller is not enabled here"


def _apply_io_max(folder: str, limits: tuple[IoLimit, ...]) -> list[Failure]:
    """Write the line of each device, and take those off that are limited no more."""
    path = f"{folder}/io.max"
    failures, lines = [], {}
    for limit in limits:
        try:
            lines[device_number(limit.device)] = _io_line(limit)
        except OSError as error:
            failures.append(Failure("io_max", limit.device, error.errno or errno.EIO))
    for number in _limited(path) - lines.keys():
        lines[number] = " ".join(f"{key}=max" for key in IO_KEYS)
    for number, line in lines.items():
        try:
            _put(path, f"{number} {line}")
        except OSError as error:
            failures.append(_failure("io_max", path, error.errno or errno.EIO))
    return failures


def _io_line(limit: IoLimit) -> str:
    values = ((key, getattr(limit, key)) for key in IO_KEYS)
    return " ".join(f"{key}={'max' if value == MAX else value}" for key, value in values)


def _limited(path: str) -> set[str]:
    return {line.split()[0] for line in _read(path).splitlines()}


def _check_cpus(folder: str, cpus: str) -> list[Failure]:
    """Look whether it has its CPUs: the kernel takes any list and gives those that there are."""
    path = f"{folder}/cpuset.cpus.effective"
    given = Path(path).read_text().strip()
    if given == cpus:
        return []
    return [Failure("cpuset", path, errno.EINVAL, f"of {cpus} there are only {given} to be had")]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _put(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, f"{text}\n".encode())
    finally:
        os.close(fd)
