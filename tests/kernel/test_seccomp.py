"""The filter of system calls: what it refuses and what it lets through, asked of the kernel."""

import json
import platform
import sys
from pathlib import Path

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.hardening import Hardening, HardeningSpec
from engine.kernel import seccomp
from engine.runtime import host, refused
from tests.kernel.conftest import Planner
from tests.kernel.harness import Played
from tests.kernel.probe import calls
from tests.kernel.test_namespace import output
from tests.require import require

pytestmark = pytest.mark.kernel

NEWUSER, NEWNS, NEWPID, NEWTIME = 0x10000000, 0x20000, 0x20000000, 0x80
THREAD = 0x10000
"""Without CLONE_SIGHAND it is an error: nothing is forked."""

JUNK = 0xABCD << 32
"""Above the 32 bits that the kernel looks at."""

# Number on x86-64, arguments, the error inside; the comment is what the kernel itself would say.
CASES: dict[str, tuple[list[int], str]] = {
    "bpf": ([321, 99, 0, 0], "EPERM"),  # EINVAL
    "perf_event_open": ([298, 0, 0, 0, 0, 0], "EPERM"),  # EFAULT
    "userfaultfd": ([323, 1], "EPERM"),  # a descriptor
    "keyctl": ([250, 0, 1, 0], "EPERM"),  # a key
    "add_key": ([248, 0, 0, 0, 0, 0], "EPERM"),  # EFAULT
    "mount": ([165, 0, 0, 0, 0, 0], "EPERM"),  # EFAULT
    "open_tree": ([428, -100, 0, 0], "EPERM"),  # EFAULT
    "fsopen": ([430, 0, 0], "EPERM"),  # EFAULT or EPERM
    "mount_setattr": ([442, -100, 0, 0, 0, 0], "EPERM"),  # EINVAL
    "open_tree_attr": ([467, -100, 0, 0, 0, 0], "EPERM"),  # EINVAL
    "setns": ([308, -1, 0], "EPERM"),  # EBADF
    "ptrace": ([101, 0, 0, 0, 0], "EPERM"),  # 0
    "process_vm_readv": ([310, 1, 0, 0, 0, 0, 0], "EPERM"),  # 0
    "kcmp": ([312, 1, 1, 99, 0, 0], "EPERM"),  # EINVAL
    "pidfd_getfd": ([438, -1, 0, 0], "EPERM"),  # EBADF
    "io_uring_setup": ([425, 1, 0], "EPERM"),  # EFAULT
    "iopl": ([172, 0], "EPERM"),  # 0
    "adjtimex": ([159, 0], "EPERM"),  # EFAULT
    "syslog": ([103, 99, 0, 0], "EPERM"),  # EINVAL
    "quotactl_fd": ([443, -1, 0, 0, 0], "EPERM"),  # EBADF
    "file_setattr": ([469, -100, 0, 0, 0, 0], "EPERM"),  # EFAULT
    "leave a project": ([16, 0, 0x401C5820, 0], "ENOTSUP"),  # EFAULT or ENOTTY
    "set a file's flags, junk above": ([16, 0, JUNK | 0x40086602, 0], "ENOTSUP"),  # likewise
    "set a file's flags by 32 bits": ([16, 0, 0x40046602, 0], "ENOTSUP"),  # ENOTTY
    "clone3": ([435, 0, 0], "ENOSYS"),  # EINVAL
    "clone into a user namespace": ([56, NEWUSER | THREAD, 0, 0, 0, 0], "EPERM"),  # EINVAL
    "clone with junk above": ([56, JUNK | NEWPID | THREAD, 0, 0, 0, 0], "EPERM"),  # EINVAL
    "unshare user": ([272, NEWUSER], "EPERM"),
    "unshare user, mount, junk above": ([272, JUNK | NEWUSER | NEWNS], "EPERM"),
    "unshare time": ([272, NEWTIME], "EPERM"),
    "unshare nothing": ([272, 0], ""),
    "unshare files": ([272, 0x400], ""),
    "packet socket": ([41, 17, 3, 0], "EPERM"),
    "packet socket, junk above": ([41, JUNK | 17, 3, 0], "EPERM"),
    "key socket": ([41, 15, 3, 2], "EPERM"),  # EAFNOSUPPORT or EPERM
    "key socket, junk above": ([41, JUNK | 15, 3, 2], "EPERM"),
    "appletalk socket": ([41, 5, 2, 0], "EPERM"),  # EAFNOSUPPORT
    "vsock": ([41, 40, 1, 0], "EPERM"),
    "crypto socket": ([41, 38, 5, 0], "EPERM"),
    "no family at all": ([41, 0xFFFFFFFFFFFFFFFF, 1, 0], "EPERM"),  # EAFNOSUPPORT
    "unix socket": ([41, 1, 1, 0], ""),
    "tcp socket": ([41, 2, 1, 0], ""),
    "tcp socket over IPv6": ([41, 10, 1, 0], ""),
    "route netlink": ([41, 16, 3, 0], ""),
    "audit netlink": ([41, 16, 3, 9], "EPERM"),  # a descriptor or EPROTONOSUPPORT
    "netfilter netlink": ([41, 16, 3, 12], "EPERM"),
    "ask for the personality": ([135, 0xFFFFFFFF], ""),
    "plain personality": ([135, 0], ""),
    "personality of 32 bits": ([135, 8], ""),
    "no randomising": ([135, 0x40000], "EPERM"),
    "no randomising, top bit set": ([135, 0x80040000], "EPERM"),
    "mappings at zero": ([135, 0x100000], "EPERM"),
    "readable means executable": ([135, 0x400000 | 8], "EPERM"),
    "personality and the top bit": ([135, 0x80000000], "EPERM"),
    "call of the x32 kind": ([0x40000000 | 41, 2, 1, 0], "EPERM"),  # ENOSYS or a descriptor
    "getpid": ([39], ""),
    "a call there is none of": ([9999], "ENOSYS"),
}


@pytest.fixture(autouse=True)
def filterable() -> None:
    reason, fix = seccomp.why_missing()
    require(not reason, reason, fix)
    require(platform.machine() == "x86_64", "the numbers of calls are of x86-64", "run it there")


def ask(engine: Played, planned: Planner, hardening: Hardening) -> dict[str, str]:
    values = [[value % 2**64 for value in case] for case, _ in CASES.values()]
    plan = planned(
        "",
        command=sys.executable,
        args=("-IS", str(Path(calls.__file__)), json.dumps(values)),
        hardening=HardeningSpec(level=hardening),
    )
    return dict(zip(CASES, json.loads(output(engine, plan)), strict=True))


@pytest.mark.parametrize("hardening", [Hardening.DEFAULT, Hardening.STRICT])
def test_what_is_refused(engine: Played, planned: Planner, hardening: Hardening) -> None:
    assert ask(engine, planned, hardening) == {name: error for name, (_, error) in CASES.items()}


def test_without_the_filter_the_kernel_says_otherwise(engine: Played, planned: Planner) -> None:
    """Or the cases would prove nothing."""
    with_filter = {name: error for name, (_, error) in CASES.items()}
    differing = {
        name
        for name, error in ask(engine, planned, Hardening.OFF).items()
        if error != with_filter[name]
    }
    assert len(differing) > 25, differing


def test_every_name_is_one_the_library_knows_or_this_machine_lacks() -> None:
    library = seccomp._library()
    unknown = [
        name
        for name in refused.CALLS
        if library.seccomp_syscall_resolve_name(name.encode()) == -1
        and name not in seccomp._NUMBERS
    ]
    assert unknown == []


def test_a_filter_is_small() -> None:
    assert 0 < len(refused.filter_program()) // 8 < 600


# A host without libseccomp.


CONFIG = '[service.api]\ncommand = "true"\nhardening = "{level}"\n'


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "LIBRARY", "libseccomp.so.none")
    seccomp._library.cache_clear()
    yield
    seccomp._library.cache_clear()
    refused.filter_program.cache_clear()


@pytest.mark.usefixtures("without")
def test_strict_is_refused_where_there_can_be_none() -> None:
    with pytest.raises(SpecError, match="without a filter of system calls") as caught:
        host.admit(parse_config(CONFIG.format(level="strict"), path="/x"), is_tried=False)
    assert (caught.value.line, caught.value.hint) == (3, "apt-get install libseccomp2")


@pytest.mark.usefixtures("without")
def test_the_default_goes_on_with_a_warning(planned: Planner) -> None:
    config = host.admit(parse_config(CONFIG.format(level="default"), path="/x"), is_tried=False)
    assert len(config.warnings) == 1
    assert "apt-get install libseccomp2" in config.warnings[0]
    refused.filter_program.cache_clear()
    assert "seccomp" not in [step[0] for step in planned("true")]


@pytest.mark.usefixtures("without")
def test_off_asks_for_none() -> None:
    config = host.admit(parse_config(CONFIG.format(level="off"), path="/x"), is_tried=False)
    assert config.warnings == ()
