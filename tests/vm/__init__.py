"""Tests on a kernel of their own: Debian's, under QEMU, with every cgroup v2 controller.

Containers and hybrid hosts cannot give a test the memory, cpu, io and pids controllers, nor swap.
Here one small machine is booted for a pytest run; all tests of this folder run in it with the
host's own interpreter and virtual environment, and each is reported as a test of the outer run.

In the machine: root, the host's file tree (changes go to memory and are gone afterwards), a
cgroup v2 tree on /sys/fs/cgroup with all controllers given to its children, 1 GiB of swap on
zram, an empty 512 MiB disk at /dev/vda, loopback up, no other network, two slow processors and
2 GiB of memory. It is emulated, 10 to 20 times slower than the host: wait for conditions, and
use `tests.e2e.engine_run.wait_until`, which has more patience here (TEN_TEST_PATIENCE).

To add a test: write `tests/vm/test_*.py` as anywhere else; marker and leak check come by
themselves, `make_engine` (a real `ten serve`) comes from `conftest.py`. What needs no controller
belongs into `tests/kernel` or `tests/e2e`. A kernel module more: `kernel.MODULES`, then fetch.

By hand, from the checkout (needs qemu-system-x86 and busybox-static):

    python -m tests.vm fetch            unpack the kernel into .cache/vm (once)
    python -m tests.vm                  all tests
    python -m tests.vm SELECTOR ...     a path, path::name or a word as for pytest -k; options too
    python -m tests.vm shell            a root shell in the machine; Ctrl-D powers it off

What the machine wrote is in .cache/vm/console.log. TEN_VM_SECONDS changes its time limit
(900 s), TEN_VM_ACCEL=kvm its speed where /dev/kvm works, TEN_VM_CACHE the cache's place.
"""
