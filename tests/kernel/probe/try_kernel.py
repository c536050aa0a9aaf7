"""Tries at the kernel: mounts, namespaces, devices, modules, switches, clock and name."""

import ctypes
import errno
import os
import socket
import stat

from system import call, can_open, in_child, libc, passes
from tries import Facts, attempt

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID = 0x20000, 0x10000000, 0x40000000, 0x20000000
MS_REMOUNT, MS_BIND, MS_PRIVATE, MS_REC = 0x20, 0x1000, 0x40000, 0x4000


def mount(source: bytes, target: str, kind: bytes, flags: int = 0) -> None:
    if libc.mount(source, target.encode(), kind, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), "mount")


def unshare(flags: int) -> None:
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


@attempt("kernel", "mount a file system")
def mount_tmpfs(_: Facts) -> object:
    folder = os.environ["TEN_DATA_DIR"]
    mount(b"none", folder, b"tmpfs")
    libc.umount2(folder.encode(), 2)
    return True


@attempt("kernel", "bind a folder elsewhere")
def bind(_: Facts) -> object:
    folder = os.environ["TEN_DATA_DIR"]
    mount(folder.encode(), folder, b"none", MS_BIND)
    libc.umount2(folder.encode(), 2)
    return True


@attempt("kernel", "uncover what is hidden by unmounting")
def unmount(facts: Facts) -> object:
    def act() -> None:
        # Where it is no mount: EINVAL, once the privilege is there.
        for path in ("/sys", "/proc/sys", facts["data_dir"]):
            if libc.umount2(path.encode(), 2 | 8) and ctypes.get_errno() != errno.EINVAL:
                raise OSError(ctypes.get_errno(), "umount2")

    if os.stat("/proc/self/ns/mnt").st_ino == facts["namespaces"]["mnt"]:
        return True  # there is nothing hidden
    return in_child(act)


@attempt("kernel", "use the new calls for mounts")
def fsopen(_: Facts) -> object:
    os.close(call(430, b"tmpfs", 0))
    return True


for words, flags in (
    ("user", CLONE_NEWUSER),
    ("mount", CLONE_NEWNS),
    ("network", CLONE_NEWNET),
    ("process", CLONE_NEWPID),
):

    @attempt("kernel", f"make a {words} namespace")
    def new_namespace(_: Facts, flags: int = flags) -> object:
        return in_child(lambda: unshare(flags))


@attempt("kernel", "make a user namespace by clone")
def clone(_: Facts) -> object:
    pid = call(56, CLONE_NEWUSER | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


@attempt("kernel", "enter the namespaces of the init process")
def setns(_: Facts) -> object:
    fd = os.open("/proc/1/ns/mnt", os.O_RDONLY)

    def act() -> None:
        if libc.setns(fd, 0):
            raise OSError(ctypes.get_errno(), "setns")

    return in_child(act)


@attempt("kernel", "change the root by chroot")
def chroot(_: Facts) -> object:
    return in_child(lambda: os.chroot(os.environ["TEN_DATA_DIR"]))


@attempt("kernel", "load a module")
def module(_: Facts) -> object:
    return passes(175, b"x", 1, b"", but=(errno.ENOEXEC, errno.EINVAL, errno.EFAULT))


@attempt("kernel", "load another kernel")
def kexec(_: Facts) -> object:
    return passes(246, 0, 0, 0, 0xFF00, but=(errno.EINVAL,))


@attempt("kernel", "load a BPF program")
def bpf(_: Facts) -> object:
    return passes(321, 0xFFFF, 0, 0, but=(errno.EINVAL,))


@attempt("kernel", "watch performance counters")
def perf(_: Facts) -> object:
    return passes(298, 0, 0, -1, -1, 0, but=(errno.EFAULT, errno.EINVAL, errno.E2BIG))


@attempt("kernel", "handle page faults by userfaultfd")
def userfaultfd(_: Facts) -> object:
    os.close(call(323, os.O_CLOEXEC))
    return True


@attempt("kernel", "use io_uring")
def io_uring(_: Facts) -> object:
    return passes(425, 1, 0, but=(errno.EFAULT,))


@attempt("kernel", "use the kernel's keys")
def keys(_: Facts) -> object:
    return call(250, 0, -3, 1) > 0


@attempt("kernel", "open a file by its handle")
def handle(_: Facts) -> object:
    known = (errno.EFAULT, errno.EINVAL, errno.ESTALE, errno.EBADF)
    return passes(304, os.open("/", os.O_RDONLY), 0, 0, but=known)


@attempt("kernel", "read the kernel's log")
def kernel_log(_: Facts) -> object:
    return call(103, 10, 0, 0) > 0


@attempt("kernel", "read the host's disk")
def disk(facts: Facts) -> object:
    for folder, _, names in os.walk("/dev"):
        for name in names:
            found = os.lstat(f"{folder}/{name}")
            if stat.S_ISBLK(found.st_mode) and found.st_rdev == facts["disk"]:
                with open(f"{folder}/{name}", "rb", buffering=0) as file:
                    return file.read(512)
    return False


@attempt("kernel", "make the disk's node and read it")
def mknod(facts: Facts) -> object:
    path = os.path.join(os.environ["TEN_DATA_DIR"], "disk")
    os.mknod(path, 0o600 | stat.S_IFBLK, facts["disk"])
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(512)
    finally:
        os.unlink(path)


@attempt("kernel", "open /dev/mem, /dev/kmsg or /dev/kvm")
def devices(_: Facts) -> object:
    return any(os.path.exists(f"/dev/{name}") for name in ("mem", "kmsg", "port", "kvm", "fuse"))


@attempt("kernel", "change the mode of the host's /dev/null")
def dev_null(_: Facts) -> object:
    try:
        os.chmod("/dev/null", 0o666)
    except OSError:
        # What it was started with may have been opened before /dev was its own.
        if os.fstat(0).st_rdev != os.stat("/dev/null").st_rdev:
            raise
        os.fchmod(0, 0o666)
    return True


for path in (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/power/state",
):

    @attempt("kernel", f"open {path} for writing")
    def switch(_: Facts, path: str = path) -> object:
        if path == "/proc/sysrq-trigger" and os.stat(path).st_rdev == os.stat("/dev/null").st_rdev:
            return False
        return can_open(path, os.O_WRONLY)


for path in ("/proc/kcore", "/proc/iomem", "/proc/slabinfo", "/proc/keys", "/proc/interrupts"):

    @attempt("kernel", f"read {path}")
    def reveal(_: Facts, path: str = path) -> object:
        with open(path, "rb") as file:
            return file.read(64)


@attempt("kernel", "find the host's devices in /sys")
def sysfs(_: Facts) -> object:
    return os.listdir("/sys/block") + os.listdir("/sys/class/net")


@attempt("kernel", "read /sys/kernel/debug, tracing or security")
def debugfs(_: Facts) -> object:
    return any(os.path.isdir(f"/sys/kernel/{name}") for name in ("debug", "tracing", "security"))


@attempt("kernel", "set the host's name")
def hostname(facts: Facts) -> object:
    socket.sethostname(socket.gethostname())
    return os.stat("/proc/self/ns/uts").st_ino == facts["namespaces"]["uts"]


@attempt("kernel", "set the host's clock")
def clock(_: Facts) -> object:
    return call(164, 0, 0) == 0


@attempt("kernel", "restart the host")
def reboot(_: Facts) -> object:
    return passes(169, 0, 0, 0, 0, but=(errno.EINVAL,))


@attempt("kernel", "turn on a swap file")
def swapon(_: Facts) -> object:
    return passes(167, 0, 0, but=(errno.EFAULT, errno.ENOENT))


@attempt("kernel", "reach the machine's ports by iopl")
def iopl(_: Facts) -> object:
    return in_child(lambda: call(172, 3))


@attempt("kernel", "turn off the randomising of addresses")
def personality(_: Facts) -> object:
    return in_child(lambda: call(135, 0x0040000))
