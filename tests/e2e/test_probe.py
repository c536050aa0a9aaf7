"""What an instance can do beyond itself, at each level: a program tries, the table is expected."""

import json
import os
import pwd
import random
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun, free_port, wait_until
from tests.e2e.world import (
    HOST,
    LAN,
    METADATA,
    OUTSIDE,
    PORT,
    EngineThere,
    Namespace,
    addresses_inside,
    serving_at,
    world,
)
from tests.kernel import probe
from tests.kernel.probe.expected import EXPECTED, LEVELS
from tests.kernel.probe.system import libc
from tests.poor import open_the_way
from tests.require import require_program

SOURCES = Path(probe.__file__).parent
IPC_CREAT, IPC_RMID = 0o1000, 0
SECRET, MARKER, NAME = "a-tenants-secret", "the-victims-marker", f"ten-probe-{os.getpid()}"
INTERPRETER = "change its interpreter by /proc/self/exe"
HOST_FOLDERS = ("/root", "/home", "/run", "/tmp", "/var/lib", "/var/log")

LEAVE_LINKS = """
command = "sh"
args = ["-c", '''cd $TEN_DATA_DIR
ln -sn {bait} way; ln -sn {bait}/file file; echo mine > mine; sleep 1000''']
restart = "never"
startup_timeout = 0
stop_grace = 0
storage_quota_mb = 100
"""
KINDS = {
    "process": 'isolation = "process"',
    "namespace": "",
    "strict": 'hardening = "strict"',
    "rootfs": 'hardening = "strict"\nrootfs = "{image}"\nmounts = {mounts}',
    "private": 'hardening = "strict"\nnetwork = "private"',
    "outbound": 'hardening = "strict"\nnetwork = "outbound"',
    "sandbox": 'isolation = "sandbox"',
}
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

[service.rootfs]
command = "{rooted}"
hardening = "strict"
rootfs = "{image}"
mounts = {mounts}
workdir = "/tries"
restart = "never"

[service.private]
command = "{command}"
hardening = "strict"
network = "private"
restart = "never"

[service.outbound]
command = "{command}"
hardening = "strict"
network = "outbound"
restart = "never"

[service.open]
command = "sleep 1000"
network = "outbound"
startup_timeout = 0

[service.sandbox]
command = "{command}"
isolation = "sandbox"
restart = "never"
startup_timeout = 120

[service.hidden]
command = "{python} -S victim.py hidden"
env = {{ SECRET = "hidden" }}
network = "private"
port = {private_port}
"""


class Outside:
    """What the host has that instances should not reach, and its removal."""

    def __init__(self, undo: ExitStack, folder: Path, host: Namespace) -> None:
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
        host.within(self._listen)
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


def make_image(folder: Path) -> Path:
    """Make a root in which the host's programs are found where they are: see `programs`."""
    image = folder / "image"
    image.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (image / name).symlink_to(os.readlink(f"/{name}"))
    return image


def programs() -> list[str]:
    """List what an image from `make_image` has to have mounted."""
    python = os.path.realpath(sys.base_prefix)
    own = [] if python.startswith("/usr") else [python]
    held = [f"/{name}" for name in ("usr", "bin", "sbin", "lib", "lib64")]
    wanted = [*(each for each in held if os.path.isdir(each) and not os.path.islink(each)), *own]
    return [f"{each}:{each}" for each in wanted]


class Probed:
    """Runs the tries as an instance of a level, beside other tenants, when first asked for it."""

    def __init__(self, engine: EngineThere) -> None:
        self.engine = engine
        self._found: dict[str, dict[str, str]] = {}

    def __getitem__(self, level: str) -> dict[str, str]:
        if level not in self._found:
            self._found[level] = run(self.engine, level)
        return self._found[level]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probed]:
    """Start the engine, another tenant and what the host has."""
    folder = tmp_path_factory.mktemp("probe")
    folder.chmod(0o755)  # a user of its own has to come in
    shutil.copytree(SOURCES, folder / "tries", ignore=shutil.ignore_patterns("__pycache__"))
    for path in SOURCES.glob("*.py"):
        shutil.copy(path, folder / path.name)
    command = f"{sys.executable} -S tries.py facts.json {{data_dir}}/{{name}}/{{id}}/result.json"
    private_port = free_port()
    config = CONFIG.format(
        python=sys.executable,
        command=command,
        rooted=command.replace(sys.executable, os.path.realpath(sys.executable)),
        image=make_image(folder),
        mounts=json.dumps([f"{folder}/tries:/tries", *programs()]),
        marker=MARKER,
        secret=SECRET,
        private_port=private_port,
    )
    with ExitStack() as undo:
        there = undo.enter_context(world())
        engine = EngineThere(folder, config, there)
        outside = Outside(undo, folder, there.host)
        undo.callback(engine.end)
        engine.data_dir.mkdir(mode=0o700)
        (engine.data_dir / "api_token").write_text("0123456789abcdef" * 4)
        engine.start()
        for name in ("victim:x", "hidden:x"):
            engine.spawn(name)
            engine.wait_state(name, "healthy")
        engine.spawn("open:x")
        undo.enter_context(serving_at(engine.instance("open:x")["pid"]))
        facts = outside.facts | about_engine(engine) | {"private_port": private_port}
        facts |= {"place_port": PORT, "places": places(engine)}
        for place in (folder, folder / "tries"):
            (place / "facts.json").write_text(json.dumps(facts))
        yield Probed(engine)


def places(engine: EngineThere) -> dict[str, str]:
    """Where somebody answers, by the words of the tries."""
    return {
        "an outbound instance's address": addresses_inside(engine, "open:x")[-1].partition("/")[0],
        "an address of the host": HOST,
        "a machine in the host's own network": LAN,
        "a cloud's metadata service": METADATA,
        "the internet": OUTSIDE,
    }


def about_engine(engine: EngineRun) -> dict[str, object]:
    victim = engine.instance("victim:x")
    return {
        "data_dir": str(engine.data_dir),
        "config": str(engine.config),
        "victim_dir": str(engine.data_dir / "victim/x"),
        "victim_pid": victim["pid"],
        "victim_port": victim["port"],
        "victim_socket": "/tmp/tenement/victim-x.sock",
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
    interpreter = Path(sys.executable).resolve()
    before = interpreter.stat().st_ctime_ns
    engine.spawn(f"{level}:x")
    path = engine.data_dir / level / "x/result.json"
    try:
        wait_until(path.exists, f"the tries of {level} are done", 60)
    except AssertionError as error:
        raise AssertionError(f"{error}: {engine.instance(f'{level}:x')}\n{engine.log()}") from error
    found: dict[str, str] = json.loads(path.read_text())
    if interpreter.stat().st_ctime_ns == before:  # gVisor may keep a change to itself
        found[INTERPRETER] = found[INTERPRETER] or "the host's file is as it was"
    return found


@pytest.mark.shares_engine
@pytest.mark.parametrize("level", LEVELS)
def test_what_is_possible_is_what_the_table_says(results: Probed, level: str) -> None:
    if level == "sandbox":
        require_program("runsc")
    found = results[level]
    assert found.keys() == EXPECTED.keys()
    column = LEVELS.index(level)
    wrong = {
        name: found[name] or "it worked"
        for name, row in EXPECTED.items()
        if row[column] is not None and bool(row[column]) != (found[name] == "")
    }
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.shares_engine
def test_what_is_tried_works_where_nothing_forbids_it(results: Probed) -> None:
    """Or the tries would prove nothing."""
    working = [name for name, error in results["process"].items() if not error]
    assert len(working) > 85, results["process"]


def reload(engine: EngineRun) -> None:
    status, body = engine.request("POST", "/api/v1/config/reload")
    assert status == 200, body


@pytest.fixture
def another(results: Probed, tmp_path: Path) -> Iterator[EngineThere]:
    """Prepare a second engine on the host of the first."""
    folder = tmp_path / "run"
    folder.mkdir()
    made = EngineThere(folder, "", results.engine.world)
    yield made
    made.end()


@pytest.mark.parametrize("level", LEVELS)
def test_the_engine_follows_no_link_in_an_instances_folder(
    results: Probed, another: EngineThere, tmp_path: Path, level: str
) -> None:
    """What it counts, gives away with the folder and removes with it is the instance's own."""
    if level == "sandbox":
        require_program("runsc")
    open_the_way(tmp_path)
    bait = tmp_path / "bait"
    bait.mkdir()
    (bait / "file").write_bytes(b"x" * (3 << 20))
    links = LEAVE_LINKS.replace("{bait}", str(bait))
    kind = KINDS[level]
    if level == "rootfs":
        kind = kind.format(image=make_image(tmp_path), mounts=json.dumps(programs()))
    config = f"[service.{level}]{links}{kind}\n"
    engine = another
    engine.config.write_text(config)
    tried = results.engine.data_dir / "run/gvisor.json"
    if tried.exists():  # to try the platforms again would take seconds
        (engine.data_dir / "run").mkdir(mode=0o700, parents=True)
        shutil.copy(tried, engine.data_dir / "run")
    engine.start()
    name, own = f"{level}:x", engine.data_dir / level / "x"
    assert engine.spawn(name)[0] == 200
    wait_until((own / "mine").exists, "the links are there", 30)
    wait_until(lambda: engine.instance(name).get("storage_used_bytes"), "it is counted")
    links = sum(path.lstat().st_blocks for path in own.iterdir() if path.is_symlink()) * 512
    assert engine.instance(name)["storage_used_bytes"] == len("mine\n") + links

    other = pwd.getpwnam("daemon").pw_uid
    config += 'user = "daemon"\n'
    engine.config.write_text(config)
    reload(engine)
    assert engine.restart(name)[0] == 200
    for path in (own, own / "mine", own / "way", own / "file"):
        assert path.lstat().st_uid == other
    assert {bait.stat().st_uid, (bait / "file").stat().st_uid} == {0}

    engine.config.write_text(config + "storage_persist = false\n")
    reload(engine)
    assert engine.stop_instance(name) == 204
    wait_until(lambda: not own.exists(), "its folder is removed")
    assert (bait / "file").stat().st_size == 3 << 20
