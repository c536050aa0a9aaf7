"""The same tries as an instance of an ordinary user, beside another instance of that user."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.engine_run import free_port
from tests.kernel import probe
from tests.kernel.harness import Host, wait_for
from tests.kernel.probe.expected import EXPECTED
from tests.kernel.test_namespace import USER, _users_plan, users

__all__ = ["users"]

pytestmark = pytest.mark.kernel

SECRET, MARKER = "a-tenants-secret", "the-victims-marker"
SAME_NETWORK = {name for name in EXPECTED if name.startswith("connect to")} - {
    "connect to the engine's API socket",
    "connect to a private instance's port",
    "connect to a socket of a host's service in /run",
}


@pytest.fixture
def tries(users: Host) -> Path:
    """Where the programs lie, for that user to read: what is not named is out of sight."""
    users.start()
    folder = users.data_dir / "api/x/probe"
    subprocess.run([*users.prefix, "mkdir", "-p", str(folder.parent)], check=True)
    shutil.copytree(Path(probe.__file__).parent, folder)
    return folder


@pytest.fixture
def victim(users: Host, tries: Path) -> Iterator[dict[str, object]]:
    """Run another tenant of the same user without isolation; give what is to be known of it."""
    port = free_port()
    folder = users.data_dir / "api/victim"
    subprocess.run([*users.prefix, "mkdir", "-p", str(folder)], check=True)
    process = subprocess.Popen(
        [*users.prefix, "/usr/bin/python3", "-S", str(tries / "victim.py"), MARKER],
        env={
            "TEN_DATA_DIR": str(folder),
            "SECRET": SECRET,
            "PORT": str(port),
            "SOCKET_PATH": str(folder / "socket"),
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for((folder / "secret").exists)
        yield {
            "secret": SECRET,
            "marker": MARKER,
            "file_name": "none",
            "victim_pid": process.pid,
            "victim_port": port,
            "victim_socket": str(folder / "socket"),
            "private_port": 1,
            "place_port": 1,
            "places": {name.removeprefix("connect to "): "127.0.0.1" for name in SAME_NETWORK},
            "victim_dir": str(folder),
            "victim_cgroup": "",
        }
    finally:
        process.kill()
        process.wait()


def test_nothing_works_but_the_network(users: Host, tries: Path, victim: dict[str, object]) -> None:
    assert users.keeper is not None
    engine = users.lives[-1]
    (users.data_dir / "ten.db").touch()
    (users.data_dir / "api_token").write_text("x")
    places = ("/etc", "/usr/bin", "/root", "/opt", "/", "/etc/cron.d")
    facts = victim | {
        "data_dir": str(users.data_dir),
        "engine_pid": engine.pid,
        "keeper_pid": users.keeper.pid,
        "api_socket": os.path.realpath(users.data_dir / "run/ten.sock"),
        "token_file": str(users.data_dir / "api_token"),
        "config": str(users.data_dir / "ten.db"),
        "root_file": "/etc/shadow",
        "closed_file": "/etc/shadow",
        "setuid_grep": "/bin/true",
        "disk": os.makedev(254, 0),
        "shm_key": 1,
        "host_port": 1,
        "abstract": "none",
        "service_socket": "/run/none",
        "devices": {place: os.stat(place).st_dev for place in places if os.path.isdir(place)},
        "namespaces": {name: os.stat(f"/proc/self/ns/{name}").st_ino for name in ("mnt", "uts")},
    }
    (tries / "facts.json").write_text(json.dumps(facts))
    script = f"cd {tries} && exec /usr/bin/python3 -S tries.py facts.json $TEN_DATA_DIR/result.json"
    plan = _users_plan(users, script, "namespace")
    told = engine.spawn("api:x", plan)
    assert told["ok"], told
    engine.find("exit", name="api:x")
    found = json.loads((users.data_dir / "api/x/result.json").read_text())
    told.close()
    assert found.keys() == EXPECTED.keys()
    strange = {name: text for name, text in found.items() if text.startswith("KeyError")}
    assert strange == {}
    assert {name for name, text in found.items() if not text} <= SAME_NETWORK
    assert not found["connect to another tenant's port"]
    assert os.stat(users.data_dir / "api/x").st_uid == USER
