"""The steps a launch is made of, by the names plans use.

A step is a list: its name, then its arguments. Plans are printed by `describe` on both sides of
the link between engine and keeper.
"""

import contextlib
import errno as errnos
import os
import resource
import socket
import stat
from collections.abc import Callable

from engine.kernel import syscalls
from engine.kernel.syscalls import covers, net
from engine.kernel.syscalls.unlinked import is_dir_without_links

MAX_STEPS = 200
_NO_LIMIT = 1 << 64  # RLIM_INFINITY is -1 of an unsigned number


def write_id_maps(uid_map: str, gid_map: str) -> None:
    """Map ids into the user namespace just made. Source: user_namespaces(7)."""
    # Without privileges a gid map is taken only once setgroups is given up.
    for name, text in (("setgroups", "deny"), ("uid_map", uid_map), ("gid_map", gid_map)):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def make_dirs(path: str, mode: int) -> None:
    """Make a directory and its parents; a symbolic link on the way is an error, not followed."""
    if is_dir_without_links(path):
        return
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    at, reached = -1, ""
    try:
        at = os.open("/", flags)
        for part in filter(None, path.split("/")):
            reached += f"/{part}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, mode, dir_fd=at)
            below = os.open(part, flags, dir_fd=at)
            os.close(at)
            at = below
    except OSError as error:  # which knows the last part only
        raise OSError(error.errno, error.strerror, reached or path) from error
    finally:
        if at >= 0:
            os.close(at)


def write_file(path: str, text: str) -> None:
    """Write a new file that its owner alone may read."""
    with open(path, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(text)


def remove_socket(path: str) -> None:
    """Remove a socket that an earlier program left; anything else there is left alone."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


def join_cgroup(path: str) -> None:
    """Move this process into a cgroup, before it has children."""
    with open(f"{path}/cgroup.procs", "w") as file:
        file.write("0")


def _unshare(names: list[str]) -> None:
    syscalls.unshare(sum(syscalls.NAMESPACES[name] for name in set(names)))


def _rlimit(name: str, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (soft, hard))
    except ValueError as error:  # Python's word for both EINVAL and EPERM
        is_invalid = soft % _NO_LIMIT > hard % _NO_LIMIT
        number = errnos.EINVAL if is_invalid else errnos.EPERM
        raise OSError(number, os.strerror(number)) from error


def _user(uid: int, gid: int, groups: list[int]) -> None:
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)  # until `drop_caps`, or else until the exec
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _give_output(uid: int, gid: int) -> None:
    for fd in (1, 2):
        os.fchown(fd, uid, gid)


def _give_dir(path: str, uid: int, gid: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    syscalls.chown_fd(fd, uid, gid)
    os.close(fd)


STEPS: dict[str, Callable[..., object] | None] = {
    "cgroup": join_cgroup,
    "unshare": _unshare,
    "idmap": write_id_maps,
    "fork": None,
    "netns": net.enter,
    "loopback": net.raise_loopback,
    "hostname": socket.sethostname,
    "mount": syscalls.mount,
    "mkdir": make_dirs,
    "write": write_file,
    "unlink": remove_socket,
    "hide": covers.cover,
    "mask": covers.mask,
    "dev": covers.make_dev,
    "readonly": covers.protect,
    "reap": None,
    "take": covers.take,
    "attach": covers.attach,
    "root": covers.enter_root,
    "setsid": os.setsid,
    "chdir": os.chdir,
    "rlimit": _rlimit,
    "umask": os.umask,
    "give_output": _give_output,
    "give_dir": _give_dir,
    "user": _user,
    "keyring": syscalls.join_session_keyring,
    "no_new_privs": syscalls.set_no_new_privs,
    "drop_caps": syscalls.drop_capabilities,
    "seccomp": syscalls.load_filter,
    "exec": None,
}
"""What each step calls with its arguments; None: what forks or executes, the launcher's own."""


def describe(step: list[object]) -> str:
    """Print a step, for example "mount proc on /proc"."""
    if step[0] == "mount":
        return f"mount {step[3] or step[1] or 'options'} on {step[2]}"
    first = step[1] if len(step) > 1 else ""
    text = ",".join(map(str, first)) if isinstance(first, list) else first
    return f"{step[0]} {text}".strip()


def check(plan: object) -> list[list[object]]:
    """Give the plan if it is one; its arguments are checked by carrying them out.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(plan, list) or not 1 <= len(plan) <= MAX_STEPS:
        raise ValueError(f"a plan is a list of 1 to {MAX_STEPS} steps")
    for index, step in enumerate(plan):
        if not isinstance(step, list) or not step or str(step[0]) not in STEPS:
            raise ValueError(f"step {index} is no step: {str(step)[:80]}")
        if step[0] == "mount" and len(step) != 6:
            raise ValueError(f"step {index}: mount takes 5 arguments")
        if (step[0] == "exec") != (index == len(plan) - 1):
            raise ValueError("exec is the last step, and only there")
    return plan
