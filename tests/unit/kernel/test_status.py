import os

from engine.kernel.status import capability_names, parse_status, read_status

TEXT = """Name:\tpython3
Umask:\t0022
State:\tS (sleeping)
PPid:\t7
Uid:\t1000\t1001\t1002\t1003
Gid:\t4\t5\t6\t7
Groups:\t4 24
NSpid:\t123\t2
Threads:\t3
CapInh:\t0000000000000000
CapPrm:\t0000000000000400
CapEff:\t0000000000000401
CapBnd:\t0000020000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
Of_a_newer_kernel:\tx
"""


def test_reads_what_a_process_may_do() -> None:
    found = parse_status(TEXT)
    assert (found.name, found.state, found.parent, found.threads) == ("python3", "S", 7, 3)
    assert (found.uid, found.gid) == ((1000, 1001, 1002, 1003), (4, 5, 6, 7))
    assert found.groups == (4, 24)
    assert found.capabilities["effective"] == ("chown", "net_bind_service")
    assert found.capabilities["bounding"] == ("cap_41",)
    assert found.capabilities["ambient"] == ()
    assert found.no_new_privs
    assert (found.seccomp, found.filters) == (2, 1)
    assert found.ns_pids == (123, 2)


def test_an_older_kernels_file_lacks_lines() -> None:
    found = parse_status("Name:\tx\nState:\tR (running)\n")
    assert (found.seccomp, found.filters, found.no_new_privs) == (-1, -1, False)
    assert found.capabilities == {}


def test_reads_this_process() -> None:
    found = read_status()
    assert found.uid[1] == os.geteuid()
    assert found.parent == os.getppid()


def test_names_capabilities_by_their_numbers() -> None:
    assert capability_names(0) == ()
    assert capability_names(1 << 21 | 1 << 12) == ("net_admin", "sys_admin")
