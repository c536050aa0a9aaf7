"""Tries to gain privileges, or to use those of root's uid."""

import os
import resource
import subprocess

from system import in_child, libc
from tries import Facts, attempt


def effective(text: str) -> int:
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("CapEff")), 16)


@attempt("privileges", "have any capability")
def capabilities(_: Facts) -> object:
    with open("/proc/self/status") as file:
        return effective(file.read())


@attempt("privileges", "gain capabilities by a set-user-ID program")
def setuid_program(facts: Facts) -> object:
    done = subprocess.run(
        [facts["setuid_grep"], "CapEff", "/proc/self/status"], capture_output=True, text=True
    )
    return done.stdout and effective(done.stdout)


@attempt("privileges", "be allowed to gain privileges by an exec")
def no_new_privs(_: Facts) -> object:
    return libc.prctl(39, 0, 0, 0, 0) == 0


@attempt("privileges", "run without a filter of system calls")
def seccomp(_: Facts) -> object:
    with open("/proc/self/status") as file:
        return "Seccomp:\t0" in file.read()


@attempt("privileges", "have root's uid")
def root(_: Facts) -> object:
    return os.geteuid() == 0


@attempt("privileges", "become another user")
def other_user(_: Facts) -> object:
    return in_child(lambda: os.setuid(os.getuid() + 1))


@attempt("privileges", "give a file to another user")
def chown(_: Facts) -> object:
    path = os.path.join(os.environ["TEN_DATA_DIR"], "given")
    with open(path, "w"):
        pass
    try:
        os.chown(path, 12345, 12345)
    finally:
        os.unlink(path)
    return True


@attempt("privileges", "read a file of another user's, whatever its mode")
def dac(facts: Facts) -> object:
    with open(facts["closed_file"]) as file:
        return file.read()


@attempt("privileges", "raise its priority")
def priority(_: Facts) -> object:
    return in_child(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))


@attempt("privileges", "raise a hard resource limit")
def limit(_: Facts) -> object:
    def act() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NICE)
        resource.setrlimit(resource.RLIMIT_NICE, (soft, hard + 1))

    return in_child(act)


@attempt("privileges", "be spared when memory runs out")
def oom(_: Facts) -> object:
    def act() -> None:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-1000")

    return in_child(act)


@attempt("privileges", "leave core dumps")
def core(_: Facts) -> object:
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0
