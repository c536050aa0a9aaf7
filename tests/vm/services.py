"""What the engine that all tests in the machine share can run."""

import sys
from pathlib import Path

EATER = f"{sys.executable} -S {Path(__file__).parent / 'eater.py'}"
LIMIT_MB = 60

_SPIN = """isolation = 'process'
startup_timeout = 0
command = '''sh -c 'while :; do :; done' '''"""
_SERVES = f"""command = "{EATER}"
health = "/"
startup_timeout = 120"""
_STORM = """isolation = "namespace"
startup_timeout = 0
restart = "never"
stop_grace = 0.5
memory_max = "80M"
memory_swap_max = 0
pids_max = 40
rlimits = { nofile = 100 }"""
_STRESS = "stress-ng --temp-path {data_dir}/{name}/{id} --timeout 120"
STORMS = {
    "forks": "--fork 4 --fork-max 64",
    "memory": "--vm 2 --vm-bytes 400M --vm-keep",
    "descriptors": "--open 2 --open-max 100000",
}
"""What stress-ng does, by the service's name."""

CONFIG = f"""
[settings]
backoff_base_ms = 1
[service.plain]
{_SERVES}
isolation = "process"
memory_limit_mb = {LIMIT_MB}
cpu_shares = 50
[service.inner]
{_SERVES}
isolation = "namespace"
memory_limit_mb = {LIMIT_MB}
cpu_shares = 50
[service.free]
{_SERVES}
[service.small]
{_SERVES}
restart = "never"
memory_max = "60M"
memory_swap_max = 0
[service.chilly]
{_SERVES}
freeze_after = 2
[service.looked_at]
{_SERVES}
memory_max = "200M"
pids_max = 50
cpu_max = "50%"
[service.light]
{_SPIN}
cpu_weight = 100
cpuset = "0"
[service.heavy]
{_SPIN}
cpu_weight = 300
cpuset = "0"
[service.half]
{_SPIN}
cpu_max = "50%"
cpuset = "1"
[service.far]
{_SPIN}
cpuset = "40"
[service.disk]
{_SPIN}
io_max = ["/dev/vda rbps=10M wiops=100"]
[service.bomb]
isolation = "namespace"
startup_timeout = 0
restart = "never"
stop_grace = 0.5
command = '''sh -c 'b() {{ b | b & }}; while :; do b; done' '''
pids_max = 64
[service.family]
isolation = "process"
startup_timeout = 0
memory_max = "40M"
memory_swap_max = 0
memory_oom_group = false
command = "./busybox sh -c './busybox tail -c 200m /dev/zero; exec ./busybox sleep 1000'"
""" + "".join(
    f'[service.{name}]\n{_STORM}\ncommand = "{_STRESS} {what}"\n' for name, what in STORMS.items()
)
