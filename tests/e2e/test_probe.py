"""What an instance can do beyond itself, at each level: a program tries, the table is expected."""

import json
import os
import random
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun, free_port, wait_until
from tests.kernel import probe
from tests.kernel.probe.expected import EXPECTED, LEVELS
from tests.kernel.probe.system import libc
from tests.require import require_root

pytestmark = pytest.mark.shares_engine

SOURCES = Path(probe.__file__).parent
IPC_CREAT, IPC_RMID = 0o1000, 0
SECRET, MARKER, NAME = "a-tenants-secret", "the-victims-marker", f"ten-probe-{os.getpid()}"
HOST_FOLDERS = ("/root", "/home", "/run", "/tmp", "/var/lib", "/var/log")

CONFIG = """
[service.victim]
command = "{python} -S victim.py {marker}"
env = {{ SECRET = "{secret}" }}
isolation = "process"

[service.process]
command = "{command}"
isolation = "process"
restart = "never"

[service.namespace]
command = "{command}"
restart = "never"

[service.strict]
command = "{command}"
hardening = "strict"
restart = "never"

[service.private]
command = "{command}"
hardening = "strict"
network = "private"
restart = "never"
"""


class Outside:
    """What the host has that instances should not reach, and its removal."""

    def __init__(self, undo: ExitStack, folder: Path) -> None:
        self.undo = undo
        self.facts: dict[str, object] = {"secret": SECRET, "marker": MARKER, "file_name": NAME}
        for place in HOST_FOLDERS:
            self.put(Path(place) / NAME, SECRET)
        self.facts["root_file"] = f"/root/{NAME}"
        self.put(folder / "closed", "another user's").chmod(0o600)
        os.chown(folder / "closed", 12345, 12345)
        self.facts["closed_file"] = str(folder / "closed")
        grep = shutil.copy(str(shutil.which("grep")), folder / "gain")
        os.chmod(grep, 0o4755)
        self.facts["setuid_grep"] = str(grep)
        places = ("/etc", "/usr/bin", "/etc/cron.d", "/root", "/opt", "/")
        self.facts["devices"] = {
            place: os.stat(place).st_dev for place in places if os.path.isdir(place)
        }
        spaces = ("mnt", "uts")
        self.facts["namespaces"] = {
            name: os.stat(f"/proc/self/ns/{name}").st_ino for name in spaces
        }
        self.facts["disk"] = first_disk()
        self._listen()
        self._share_memory()

    def put(self, path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o644)
        self.undo.callback(path.unlink, missing_ok=True)
        return path

    def _listen(self) -> None:
        path = Path("/run") / f"{NAME}.sock"
        self.undo.callback(path.unlink, missing_ok=True)
        self.facts |= {"service_socket": str(path), "abstract": NAME, "host_port": free_port()}
        for family, address in (
            (socket.AF_UNIX, str(path)),
            (socket.AF_UNIX, f"\0{NAME}"),
            (socket.AF_INET, ("127.0.0.1", self.facts["host_port"])),
        ):
            listener = socket.socket(family)
            self.undo.callback(listener.close)
            listener.bind(address)
            listener.listen(64)
        path.chmod(0o666)

    def _share_memory(self) -> None:
        key = random.randrange(1, 1 << 31)
        ident = libc.shmget(key, 4096, IPC_CREAT | 0o666)
        assert ident >= 0
        self.undo.callback(libc.shmctl, ident, IPC_RMID, None)
        self.facts["shm_key"] = key


def first_disk() -> int:
    lines = [line.split() for line in Path("/proc/partitions").read_text().splitlines()[2:]]
    return os.makedev(int(lines[0][0]), int(lines[0][1])) if lines else 0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """Run the tries once as an instance of each level, beside another tenant."""
    require_root()
    folder = tmp_path_factory.mktemp("probe")
    folder.chmod(0o755)  # a user of its own has to come in
    for path in SOURCES.glob("*.py"):
        shutil.copy(path, folder / path.name)
    command = f"{sys.executable} -S tries.py facts.json {{data_dir}}/{{name}}/{{id}}/result.json"
    config = CONFIG.format(python=sys.executable, command=command, marker=MARKER, secret=SECRET)
    engine = EngineRun(folder, config)
    with ExitStack() as undo:
        outside = Outside(undo, folder)
        undo.callback(engine.end)
        engine.data_dir.mkdir(mode=0o700)
        (engine.data_dir / "api_token").write_text("0123456789abcdef" * 4)
        engine.start()
        engine.spawn("victim:x")
        engine.wait_state("victim:x", "healthy")
        facts = outside.facts | about_engine(engine)
        (folder / "facts.json").write_text(json.dumps(facts))
        yield {level: run(engine, level) for level in LEVELS}


def about_engine(engine: EngineRun) -> dict[str, object]:
    victim = engine.instance("victim:x")
    return {
        "data_dir": str(engine.data_dir),
        "config": str(engine.config),
        "victim_dir": str(engine.data_dir / "victim/x"),
        "victim_pid": victim["pid"],
        "victim_port": victim["port"],
        "victim_cgroup": cgroup_of(int(victim["pid"])),
        "engine_pid": engine.pid("engine"),
        "keeper_pid": engine.pid("keeper"),
        "api_socket": os.path.realpath(engine.data_dir / "run/ten.sock"),
        "token_file": str(engine.data_dir / "api_token"),
    }


def cgroup_of(pid: int) -> str:
    line = next(
        line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line[:3] == "0::"
    )
    roots = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
    return next((f"{root}{line[3:]}" for root in roots if (root / "cgroup.procs").exists()), "")


def run(engine: EngineRun, level: str) -> dict[str, str]:
    engine.spawn(f"{level}:x")
    path = engine.data_dir / level / "x/result.json"
    try:
        wait_until(path.exists, f"the tries of {level} are done", 30)
    except AssertionError as error:
        raise AssertionError(f"{error}: {engine.instance(f'{level}:x')}\n{engine.log()}") from error
    found: dict[str, str] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_possible_is_what_the_table_says(
    results: dict[str, dict[str, str]], level: str
) -> None:
    found = results[level]
    assert found.keys() == EXPECTED.keys()
    column = LEVELS.index(level)
    wrong = {
        name: found[name] or "it worked"
        for name, row in EXPECTED.items()
        if row[column] is not None and row[column] != (found[name] == "")
    }
    assert wrong == {}


def test_what_is_tried_works_where_nothing_forbids_it(results: dict[str, dict[str, str]]) -> None:
    """Or the tries would prove nothing."""
    working = [name for name, error in results["process"].items() if not error]
    assert len(working) > 85, results["process"]
