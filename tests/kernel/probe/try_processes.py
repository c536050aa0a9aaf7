"""Tries at other processes: of another tenant, of the engine, of the host."""

import ctypes
import os
import signal

from system import call, in_child
from tries import Facts, attempt

KEPT = [
    fd
    for fd in os.listdir("/proc/self/fd")
    if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}")
]
"""Descriptors that are open before anything is tried; the one of the listing is not any more."""

PTRACE_SEIZE = 0x4206


def text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(1 << 20).decode(errors="replace")


@attempt("processes", "see another tenant's process")
def see(facts: Facts) -> object:
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    return any(facts["marker"] in text(f"/proc/{pid}/cmdline") for pid in pids)


@attempt("processes", "signal another tenant's process")
def signal_other(facts: Facts) -> object:
    os.kill(facts["victim_pid"], 0)
    return True


@attempt("processes", "open another tenant's process by a pidfd")
def pidfd(facts: Facts) -> object:
    fd = os.pidfd_open(facts["victim_pid"])
    signal.pidfd_send_signal(fd, 0)
    return True


@attempt("processes", "read another tenant's environment")
def environment(facts: Facts) -> object:
    return facts["secret"] in text(f"/proc/{facts['victim_pid']}/environ")


@attempt("processes", "read another tenant's memory by /proc")
def memory(facts: Facts) -> object:
    with open(f"/proc/{facts['victim_pid']}/maps") as file:
        heap = next(line for line in file if "[heap]" in line)
    with open(f"/proc/{facts['victim_pid']}/mem", "rb", buffering=0) as memory:
        memory.seek(int(heap.split("-")[0], 16))
        return memory.read(16)


@attempt("processes", "read another tenant's memory by process_vm_readv")
def vm_readv(facts: Facts) -> object:
    with open(f"/proc/{facts['victim_pid']}/maps") as file:
        start = int(next(line for line in file if "[heap]" in line).split("-")[0], 16)
    target = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(target), 16)
    remote = (ctypes.c_ulong * 2)(start, 16)
    return call(310, facts["victim_pid"], local, 1, remote, 1, 0) == 16


@attempt("processes", "trace another tenant's process")
def trace(facts: Facts) -> object:
    return in_child(lambda: call(101, PTRACE_SEIZE, facts["victim_pid"], 0, 0))


@attempt("processes", "list another tenant's open files")
def files(facts: Facts) -> object:
    return os.listdir(f"/proc/{facts['victim_pid']}/fd")


@attempt("processes", "enter another tenant's working directory")
def cwd(facts: Facts) -> object:
    return os.listdir(f"/proc/{facts['victim_pid']}/cwd/")


@attempt("processes", "change another tenant's priority")
def priority(facts: Facts) -> object:
    pid = facts["victim_pid"]
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
    return True


@attempt("processes", "see the engine")
def engine(facts: Facts) -> object:
    return "engine" in text(f"/proc/{facts['engine_pid']}/cmdline")


@attempt("processes", "signal the keeper")
def keeper(facts: Facts) -> object:
    os.kill(facts["keeper_pid"], 0)
    return True


@attempt("processes", "read the engine's environment")
def engine_environment(facts: Facts) -> object:
    return text(f"/proc/{facts['engine_pid']}/environ")


@attempt("processes", "take the engine's open files by pidfd_getfd")
def getfd(facts: Facts) -> object:
    return call(438, os.pidfd_open(facts["engine_pid"]), 0, 0) >= 0


@attempt("processes", "read the memory of the init process")
def init_memory(_: Facts) -> object:
    with open("/proc/1/mem", "rb", buffering=0) as memory, open("/proc/1/maps") as maps:
        memory.seek(int(maps.readline().split("-")[0], 16))
        return memory.read(16)


@attempt("processes", "leave by the init process's root")
def init_root(facts: Facts) -> object:
    return text(f"/proc/1/root{facts['root_file']}") == facts["secret"]


@attempt("processes", "open the init process's program")
def init_program(_: Facts) -> object:
    os.close(os.open("/proc/1/exe", os.O_RDONLY))
    return True


@attempt("processes", "change its interpreter by /proc/self/exe")
def self_exe(_: Facts) -> object:
    # Opening it for writing would say "busy" even where nobody may write.
    found = os.stat("/proc/self/exe")
    os.utime("/proc/self/exe", ns=(found.st_atime_ns, found.st_mtime_ns))
    return True


@attempt("processes", "use a file that the engine left open")
def kept(_: Facts) -> object:
    return KEPT


@attempt("processes", "attach the host's shared memory")
def shared_memory(facts: Facts) -> object:
    return call(29, facts["shm_key"], 0, 0) >= 0


@attempt("processes", "freeze another tenant by its cgroup")
def freeze(facts: Facts) -> object:
    with open(f"{facts['victim_cgroup']}/cgroup.freeze", "w") as file:
        file.write("0")
    return True


@attempt("processes", "leave its cgroup")
def leave_cgroup(facts: Facts) -> object:
    def act() -> None:
        with open(f"{facts['victim_cgroup']}/cgroup.procs", "w") as file:
            file.write("0")

    return facts["victim_cgroup"] and in_child(act)


@attempt("processes", "write to any file of a cgroup")
def cgroup_files(_: Facts) -> object:
    for folder, _, names in os.walk("/sys/fs/cgroup"):
        for name in names:
            if name in ("cgroup.procs", "cgroup.freeze", "cgroup.max.depth", "tasks"):
                try:
                    os.close(os.open(f"{folder}/{name}", os.O_WRONLY))
                    return True
                except OSError:
                    continue
    return False
