import json
from typing import Any

from engine.core import oci


def made(**fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "argv": ("/bin/sh", "-c", "true"),
        "env": {"A": "1", "B": "x=y"},
        "workdir": "/srv",
        "hostname": "api-x",
        "who": oci.Who(uid=7, gid=8, groups=(9,)),
        "capabilities": ("net_bind_service",),
        "rlimits": {"nofile": (10, -1), "core": (0, 0)},
        "is_hardened": True,
    }
    found: dict[str, Any] = json.loads(oci.bundle(**(values | fields)))
    return found


def test_a_program_is_described_whole() -> None:
    process = made()["process"]
    assert process["args"] == ["/bin/sh", "-c", "true"]
    assert process["env"] == ["A=1", "B=x=y"]
    assert process["cwd"] == "/srv"
    assert process["user"] == {"uid": 7, "gid": 8, "additionalGids": [9]}
    assert process["noNewPrivileges"] is True


def test_capabilities_are_in_every_set_or_in_none() -> None:
    sets = made()["process"]["capabilities"]
    assert set(sets) == {"bounding", "effective", "inheritable", "permitted", "ambient"}
    assert all(held == ["CAP_NET_BIND_SERVICE"] for held in sets.values())
    assert all(held == [] for held in made(capabilities=())["process"]["capabilities"].values())


def test_no_limit_is_the_largest_number() -> None:
    assert made()["process"]["rlimits"] == [
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 2**64 - 1},
    ]


def test_what_the_host_mounts_there_is_covered_by_the_sandboxs_own() -> None:
    config = made()
    assert config["root"] == {"path": "/", "readonly": False}
    targets = [mount["destination"] for mount in config["mounts"]]
    assert {"/proc", "/sys", "/dev", "/dev/shm"} <= set(targets)
    assert targets.index("/dev") < targets.index("/dev/shm")
    assert config["hostname"] == "api-x"
