"""The run directory: made, locked and its sockets bound before the keeper begins.

`python -P -m engine.runtime.rundir OPTIONS` does what can fail at a start, then executes the
keeper in its place: the pid, the locks and the sockets go over. So nothing of this is in the
keeper's memory, and a start that fails has started nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import signal
import socket
import stat
import sys
import time
from typing import Any

from engine.kernel.cgroup import enter_leaf

MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path. Source: unix(7)."""

DOOR_UID = 61183
"""The doors' user where the keeper is root; it needs no entry in passwd."""

FRONT_UID = 61182
"""Caddy's user, likewise."""

FOLDERS = ("fifo", "instances", "log")
"""Folders in the run folder, besides the doors' own."""

FORWARDED = "forwarded.json"
"""What the host does for instances with a way out, for as long as that is to be undone."""

_BACKLOG = 4096
_MAX_PORT = 65535
_LIFELINE_SECONDS = 5.0
_LOG_BYTES = 10 * 1024 * 1024


class StartError(Exception):
    """The keeper cannot start; its text is for the user."""


class RunDir:
    """The `run` folder of a data directory, held by at most one keeper.

    Attributes:
        path: The folder.
        lock: Descriptor of the lock a keeper holds as long as it lives.
        lifeline: Descriptor of the lock that engine and doors inherit, and so hold as long as
            any of them lives.
    """

    def __init__(self, data_dir: str, door_uid: int) -> None:
        """Make the folders, take the lock and wait until the children of a dead keeper ended.

        Raises:
            StartError: Another keeper holds it.
            OSError: A folder cannot be made.
        """
        self.data_dir = os.path.realpath(data_dir)
        self.path = os.path.join(self.data_dir, "run")
        self.door_uid = door_uid
        os.makedirs(self.data_dir, mode=0o700, exist_ok=True)
        for path in (self.path, *(os.path.join(self.path, name) for name in FOLDERS)):
            make_own_dir(path, os.geteuid())
        self.lock = self._hold("lock")
        if self.lock < 0:
            text = f"another ten serve (pid {self._read_pid('lock')}) holds {self.data_dir}"
            raise StartError(text)
        os.truncate(self.lock, 0)
        os.write(self.lock, b"%d\n" % os.getpid())
        self.lifeline = self._take_lifeline()
        make_own_dir(os.path.join(self.path, "door"), door_uid)
        with open(os.path.join(self.path, "keeper.pid"), "w") as file:
            file.write(f"{os.getpid()}\n")
        self._rotate_log()

    def listen_api(self) -> socket.socket:
        """Listen on ten.sock; where its path is too long, on a short one it then links to."""
        path = os.path.join(self.path, "ten.sock")
        remove(path)
        folder = self.path
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            folder = short_dir(self.path)
            make_own_dir(folder, os.geteuid())
            os.symlink(os.path.join(folder, "ten.sock"), path)
        return listen_unix(folder, "ten.sock", 0o660)

    def listen_door_api(self) -> socket.socket:
        """Listen on door/api.sock, which the doors reach by its name in their folder."""
        folder = os.path.join(self.path, "door")
        listening = listen_unix(folder, "api.sock", 0o600)
        os.chown(os.path.join(folder, "api.sock"), self.door_uid, -1)
        return listening

    def _hold(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(os.path.join(self.path, name), flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return -1
        return fd

    def _read_pid(self, name: str) -> int:
        try:
            with open(os.path.join(self.path, name)) as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def _take_lifeline(self) -> int:
        """Wait for engine and doors of a dead keeper: they end with it.

        An engine that is slow to end is killed: it may be, at any time.
        """
        deadline = time.monotonic() + _LIFELINE_SECONDS
        while (fd := self._hold("lifeline")) < 0:
            if time.monotonic() > deadline:
                raise StartError(f"an engine or door of a dead keeper still runs in {self.path}")
            if time.monotonic() > deadline - _LIFELINE_SECONDS + 1:
                self._kill_engine()
            time.sleep(0.01)
        return fd

    def _kill_engine(self) -> None:
        pid, lifeline = self._read_pid("engine.pid"), os.path.join(self.path, "lifeline")
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(pid)
            try:
                fds = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
                if lifeline in [os.readlink(fd) for fd in fds]:
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)

    def _rotate_log(self) -> None:
        path = os.path.join(self.path, "log", "engine.log")
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_size > _LOG_BYTES:
                os.rename(path, f"{path}.1")


def clean(path: str) -> None:
    """Remove sockets, FIFOs, records and pid files of a run folder; logs and locks stay.

    Also Caddy's configuration, which has private keys in it.
    """
    api = os.path.join(path, "ten.sock")
    if os.path.islink(api):
        target = os.readlink(api)
        remove(target)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(target))
    sockets = ("ten.sock", "door/api.sock", "caddy/admin.sock")
    for name in (*sockets, "engine.pid", "keeper.pid", "caddy.pid", "caddy/caddy.json"):
        remove(os.path.join(path, name))
    for folder in ("fifo", "instances"):
        for name in os.listdir(os.path.join(path, folder)):
            remove(os.path.join(path, folder, name))


def remove(path: str) -> None:
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def listen_tcp(host: str, port: int) -> socket.socket:
    """Listen for the doors.

    Raises:
        StartError: The address cannot be had; names it and the reason.
    """
    host = host.strip("[]")
    try:
        if not 0 <= port <= _MAX_PORT:
            raise OSError(errno.EINVAL, f"a port is at most {_MAX_PORT}")
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with contextlib.ExitStack() as undo:
            listening = socket.socket(found[0][0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            undo.callback(listening.close)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(found[0][4])
            listening.listen(_BACKLOG)
            undo.pop_all()
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        advice = "; another port: ten serve -p PORT" if error.errno == errno.EADDRINUSE else ""
        text = f"cannot listen on {where}: {error.strerror or error}{advice}"
        raise StartError(text) from error
    return listening


def listen_unix(folder: str, name: str, mode: int) -> socket.socket:
    """Listen on a socket in a folder, however long the folder's own path is."""
    path = os.path.join(folder, name)
    remove(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listening.bind(f"/proc/self/fd/{at}/{name}")
    finally:
        os.close(at)
    os.chmod(path, mode)
    listening.listen(_BACKLOG)
    return listening


def short_dir(path: str) -> str:
    """Name a folder for the API's socket where the run folder's path is too long for one."""
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    above = os.environ.get("XDG_RUNTIME_DIR") or ("/run" if os.geteuid() == 0 else "")
    if above and os.access(above, os.W_OK):
        return os.path.join(above, f"ten-{name}")
    return f"/tmp/ten-{os.geteuid()}-{name}"  # noqa: S108 - must be ours, see make_own_dir


def make_own_dir(path: str, uid: int) -> None:
    """Make a folder only its owner may enter; one that is there must be his, and no link.

    Raises:
        StartError: It is another's.
        OSError: It cannot be made, or is no folder.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    at = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        owner = os.fstat(at).st_uid
        if owner not in (uid, os.geteuid()):
            raise StartError(f"{path} belongs to uid {owner}")
        if owner != uid:
            os.fchown(at, uid, uid)
        if stat.S_IMODE(os.fstat(at).st_mode) != 0o700:
            os.fchmod(at, 0o700)
    finally:
        os.close(at)


def prepare(options: dict[str, str]) -> list[str]:
    """Do all that can fail, and give the keeper's command line.

    Args:
        options: `--data-dir --config --bind --port --domain --doors --door-uid`; all but the
            first have defaults. Further ones are passed on.

    Raises:
        StartError: The keeper cannot start.
        OSError: Likewise.
    """
    cores = str(len(os.sched_getaffinity(0)))
    defaults = {"--config": "", "--bind": "0.0.0.0", "--port": "8080", "--domain": "localhost"}  # noqa: S104 - the peer's default
    options = defaults | {"--doors": cores} | options
    is_root = os.geteuid() == 0
    options["--uid"] = options.pop("--door-uid", str(DOOR_UID)) if is_root else str(os.geteuid())
    run = RunDir(options["--data-dir"], int(options["--uid"]))
    options["--data-dir"] = run.data_dir
    traffic = listen_tcp(options.pop("--bind"), int(options["--port"]))
    options["--port"] = str(traffic.getsockname()[1])
    if "--front" in options:
        options["--front-fds"] = _listen_front(run, json.loads(options["--front"]))
    enter_leaf()
    sockets = [traffic, run.listen_api(), run.listen_door_api()]
    fds = [run.lifeline, *(each.detach() for each in sockets)]
    for fd in (run.lock, *fds):
        os.set_inheritable(fd, True)
    options["--fds"] = ",".join(map(str, fds))
    return [text for pair in options.items() for text in pair]


def _listen_front(run: RunDir, front: dict[str, Any]) -> str:
    """Listen for Caddy: HTTPS, HTTP, and UDP for HTTP/3; give the descriptors for the keeper."""
    make_own_dir(os.path.join(run.path, "caddy"), int(front["uid"]))
    remove(os.path.join(run.path, "caddy", "caddy.json"))
    sockets = [listen_tcp(front["bind"], front[f"{name}_port"]) for name in ("https", "http")]
    quic = socket.socket(sockets[0].family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    quic.bind(sockets[0].getsockname())
    fds = [each.detach() for each in (*sockets, quic)]
    for fd in fds:
        os.set_inheritable(fd, True)
    return ",".join(map(str, fds))


def main() -> int:
    """Prepare, and become the keeper."""
    for fd in range(3):  # a descriptor taken for something else here would be lost to it
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    try:
        command = prepare(dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True)))
    except (StartError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    argv = [sys.executable, "-P", "-m", "engine.keeper", *command]
    return os.execv(sys.executable, argv)  # noqa: S606 - no shell is what is meant


if __name__ == "__main__":
    sys.exit(main())
