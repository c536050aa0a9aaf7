"""Control groups, version 2: one for each instance, where the host lets us have them.

Works on a full v2 tree and on the bare one of a hybrid host, which has no controllers but still
cgroup.kill, cgroup.freeze, cpu.stat and pressure.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from pathlib import Path

from engine.kernel.mounts import read_mounts
from engine.kernel.pressure import RESOURCES, Pressure, parse_pressure

CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
"""Those that limits need."""

LEAF = "ten-main"
"""In a delegated cgroup: where keeper, engine and doors live, beside the instances' cgroups."""


class CgroupTree:
    """A v2 cgroup below which this process may make others.

    Attributes:
        path: Its folder.
        controllers: Those it can give to its children.
    """

    def __init__(self, path: str) -> None:
        """Take a folder known to be writable."""
        self.path = path
        self.controllers = frozenset(_read(f"{path}/cgroup.controllers").split())

    def create(self, name: str) -> Cgroup:
        """Make a cgroup, or take the one that is there; `name` may hold slashes.

        Controllers for limits are enabled on the way down where the kernel lets us: a cgroup
        that holds processes itself (EBUSY) cannot give controllers to its children.

        Raises:
            OSError: It cannot be made.
        """
        folder = self.path
        for part in name.split("/"):
            if part in ("", ".", ".."):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), f"{self.path}/{name}")
            self._enable(folder)
            folder = f"{folder}/{part}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o755)
        return Cgroup(folder)

    def _enable(self, folder: str) -> None:
        path = f"{folder}/cgroup.subtree_control"
        given = _read(path).split()
        wanted = [f"+{it}" for it in CONTROLLERS if it in self.controllers and it not in given]
        if not wanted:
            return
        try:
            _write(path, " ".join(wanted))
        except OSError:  # one cannot be had, and so none was: the others are
            for word in wanted:
                with contextlib.suppress(OSError):
                    _write(path, word)


class Cgroup:
    """One cgroup. Counters are read through descriptors kept open until `close`."""

    def __init__(self, path: str) -> None:
        """Take a folder of the cgroup file system; it need not exist any more."""
        self.path = path
        self._fds: dict[str, int] = {}

    def kill(self) -> None:
        """Send SIGKILL to every process in it and below it; forks cannot outrun it.

        Source: Documentation/admin-guide/cgroup-v2.rst, "cgroup.kill". Linux 5.14.

        Raises:
            OSError: FileNotFoundError once it is gone.
        """
        _write(f"{self.path}/cgroup.kill", "1")

    def freeze(self, is_frozen: bool) -> None:
        """Stop every process in it, or let them go on.

        Raises:
            OSError: FileNotFoundError once it is gone.
        """
        _write(f"{self.path}/cgroup.freeze", "1" if is_frozen else "0")

    def is_freezing(self) -> bool:
        """Tell whether its processes are told to stop, or have; False once it is gone."""
        return _read(f"{self.path}/cgroup.freeze").strip() == "1"

    def is_frozen(self) -> bool:
        """Tell whether all processes have stopped."""
        return self._events().get("frozen") == "1"

    def is_populated(self) -> bool:
        """Tell whether a process lives in it or below it; False once it is gone."""
        return self._events().get("populated") == "1"

    def pids(self) -> list[int]:
        """List the processes in it, not those below it."""
        return [int(pid) for pid in self._peek("cgroup.procs").split()]

    def cpu_usage_usec(self) -> int:
        """CPU time used by all processes ever in it, in microseconds; 0 once it is gone.

        Source: Documentation/admin-guide/cgroup-v2.rst, "cpu.stat".
        """
        return self.cpu_stat().get("usage_usec", 0)

    def cpu_stat(self) -> dict[str, int]:
        """Counters of cpu.stat; nr_throttled and such only with the cpu controller."""
        return _numbers(self._peek("cpu.stat"))

    def memory_current(self) -> int | None:
        """Memory charged to it in bytes; None without the memory controller."""
        text = self._peek("memory.current")
        return int(text) if text else None

    def swap_current(self) -> int:
        """Bytes of it that are swapped out; 0 without the memory controller, or without swap."""
        text = self._peek("memory.swap.current")
        return int(text) if text else 0

    def may_swap(self) -> bool:
        """Tell whether memory of it may be swapped out; its own limit only is looked at."""
        return _read(f"{self.path}/memory.swap.max").strip() not in {"", "0"}

    def reclaim(self, size_bytes: int) -> bool:
        """Take memory from it; blocks for as long as that takes, so not on a loop.

        Returns: Whether as much was taken: False where there is no more to be had.

        Source: Documentation/admin-guide/cgroup-v2.rst, "memory.reclaim". Linux 5.19.

        Raises:
            OSError: FileNotFoundError: it is gone, or there is no such file.
        """
        try:
            _write(f"{self.path}/memory.reclaim", str(size_bytes))
        except BlockingIOError:
            return False
        return True

    def io_stat(self) -> tuple[int, int] | None:
        """Bytes read and written, all devices together; None without the io controller."""
        text = self._peek("io.stat")
        if not text:
            return None
        words = [word.partition("=") for word in text.split()]
        read = sum(int(value) for key, _, value in words if key == "rbytes")
        written = sum(int(value) for key, _, value in words if key == "wbytes")
        return read, written

    def pids_current(self) -> int | None:
        """Processes and threads in it; None without the pids controller."""
        text = self._peek("pids.current")
        return int(text) if text else None

    def memory_events(self) -> dict[str, int]:
        """Counters of memory.events, those of cgroups below too; {} without the controller."""
        return _numbers(self._peek("memory.events"))

    def memory_peak(self) -> int | None:
        """The most memory it ever held, in bytes; None before Linux 5.19."""
        text = self._peek("memory.peak")
        return int(text) if text else None

    def pressure(self) -> dict[str, Pressure]:
        """How long its tasks waited, by "cpu", "memory", "io"; {} where the kernel has no PSI."""
        found = {each: self._peek(f"{each}.pressure") for each in RESOURCES}
        return {each: parse_pressure(text) for each, text in found.items() if text}

    def remove(self, wait_seconds: float = 0.02) -> None:
        """Remove it and what is below it; killed processes may need a moment to leave it.

        Raises:
            OSError: EBUSY: there are processes in it still. It may already be gone.
        """
        self.close()
        deadline = time.monotonic() + wait_seconds
        for folder, _, _ in os.walk(self.path, topdown=False):
            while True:
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.001)

    def close(self) -> None:
        """Give back the descriptors kept open."""
        while self._fds:
            fd = self._fds.popitem()[1]
            if fd >= 0:
                os.close(fd)

    def _events(self) -> dict[str, str]:
        words = _read(f"{self.path}/cgroup.events").split()
        return dict(zip(words[::2], words[1::2], strict=False))

    def _peek(self, name: str) -> str:
        """Read a file that is read again and again; "" where it is not, or is gone."""
        if name not in self._fds:
            try:
                self._fds[name] = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                self._fds[name] = -1
        if self._fds[name] < 0:
            return ""
        try:
            return os.pread(self._fds[name], 65536, 0).decode()
        except OSError:
            return ""  # ENODEV: removed


def find_tree() -> CgroupTree | None:
    """Find where cgroups can be made: a subtree delegated to us, or for root the whole tree.

    TEN_CGROUP in the environment names another one, as /proc/self/cgroup would.
    None where there is no v2 tree or it may not be written: instances are then ended by their
    PID namespace or their reaper.
    """
    root = tree_root()
    if not root:
        return None
    if (named := _named(root)) and _is_writable(named):
        return CgroupTree(named)
    own = own_path(root)
    above = os.path.dirname(own) if own != root else root
    # The unit may have put us into a subgroup of what is ours, as we do ourselves.
    for path in (own, above):
        if _is_delegated(path) and _is_writable(path):
            return CgroupTree(path)
    mine = above if os.path.basename(own) == LEAF else own
    for path in (root,) if os.geteuid() == 0 else (mine, root):
        if _is_writable(path):
            return CgroupTree(path)
    return None


def tree_root() -> str:
    """Give where the v2 tree is mounted, "" if it is not."""
    return next((each.target for each in read_mounts() if each.fstype == "cgroup2"), "")


def _named(root: str) -> str:
    name = os.environ.get("TEN_CGROUP", "").strip("/")
    return f"{root}/{name}" if name else ""


def own_path(root: str) -> str:
    """Give the folder of this process's own cgroup."""
    return f"{root}{_own_cgroup()}".rstrip("/")


def enter_leaf() -> None:
    """Make room in a delegated cgroup: one that holds processes cannot give out controllers.

    Moves this process into a cgroup of its own below, where that is needed; what fails is told
    later, by the controllers that are not there.

    Source: Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint".
    """
    if named := _named(tree_root()):
        with contextlib.suppress(OSError):
            os.mkdir(named)  # systemd removes that of a unit that has no process
    tree = find_tree()
    if tree is None or not tree.controllers or own_path(tree_root()) != tree.path:
        return
    if not os.path.exists(f"{tree.path}/cgroup.type"):
        return  # the root of all: it may hold processes
    with contextlib.suppress(OSError):
        os.makedirs(f"{tree.path}/{LEAF}", exist_ok=True)
        _write(f"{tree.path}/{LEAF}/cgroup.procs", str(os.getpid()))


def leave_leaf() -> None:
    """Undo `enter_leaf`, as the last of those who live there."""
    tree = find_tree()
    if tree is None or own_path(tree_root()) != f"{tree.path}/{LEAF}":
        return
    with contextlib.suppress(OSError):
        for controller in _read(f"{tree.path}/cgroup.subtree_control").split():
            _write(f"{tree.path}/cgroup.subtree_control", f"-{controller}")
        _write(f"{tree.path}/cgroup.procs", str(os.getpid()))
        os.rmdir(f"{tree.path}/{LEAF}")


def group_of(data_dir: str) -> str:
    """Name the cgroup that holds those of one engine's instances: "ten-1a2b3c4d"."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(data_dir))).hexdigest()
    return f"ten-{digest[:8]}"


def _own_cgroup() -> str:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    return "/"


def _is_delegated(path: str) -> bool:
    """Tell whether systemd gave the cgroup away. Source: systemd, "Control Group APIs"."""
    for name in ("trusted.delegate", "user.delegate"):
        with contextlib.suppress(OSError):
            return os.getxattr(path, name) == b"1"
    return False


def _is_writable(path: str) -> bool:
    # Processes are moved from our own cgroup: its cgroup.procs counts as well as the folder.
    return os.access(path, os.W_OK) and os.access(f"{path}/cgroup.procs", os.W_OK)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _numbers(text: str) -> dict[str, int]:
    words = text.split()
    return {key: int(value) for key, value in zip(words[::2], words[1::2], strict=False)}
