import pytest

from engine.core.inspection import LimitFact, Live, NamespaceFact, Place
from engine.core.plan_check import look, paths_of

TMPFS = Place(is_there=True, fstype="tmpfs", is_mount=True, is_readonly=True)
HOSTS = Place(is_there=True, fstype="ext4", is_mount=False, is_readonly=False)
GONE = Place(is_there=False, fstype="proc", is_mount=False, is_readonly=False)
UNKNOWN = Place(is_there=None, fstype="", is_mount=False, is_readonly=False)


def live(**fields: object) -> Live:
    return Live(pid=10, main_pid=12, runtime="namespace", **fields)  # type: ignore[arg-type]


def own(kind: str, *, is_own: bool = True, inode: int = 7) -> NamespaceFact:
    return NamespaceFact(kind=kind, inode=inode, is_own=is_own)


@pytest.mark.parametrize(
    ("step", "fields", "text", "is_off"),
    [
        (["cgroup", "/cg/a"], {"cgroup": "/cg/a"}, "it is in there", False),
        (["cgroup", "/cg/a"], {"cgroup": ""}, "it is in none of ours", True),
        (["unshare", ["mount", "pid"]], {"namespaces": (own("mnt"), own("pid"))},
         "mount 7, pid 7", False),
        (["unshare", ["net"]], {"namespaces": (own("net", is_own=False),)},
         "net IS THE ENGINE'S", True),
        (["unshare", ["net"]], {"namespaces": (own("net", is_own=False, inode=0),)},
         "net unknown", False),
        (["netns", "/n"], {"namespaces": (own("net"),), "addresses": ("127.0.0.1", "10.0.0.2")},
         "net 7, 127.0.0.1, 10.0.0.2", False),
        (["netns", "/n"], {"namespaces": (own("net", is_own=False),)},
         "net IS THE ENGINE'S", True),
        (["rlimit", "CORE", 0, 0], {"rlimits": {"core": ("0", "0")}}, "0", False),
        (["rlimit", "CORE", 0, 0], {"rlimits": {"core": ("0", "unlimited")}},
         "0 unlimited", True),
        (["rlimit", "NOFILE", 9, -1], {"rlimits": {"nofile": ("9", "unlimited")}},
         "9 unlimited", False),
        (["rlimit", "NOFILE", 9, 9], {}, "", False),
        (["user", 5, 5, []], {"uid": (5, 5, 5, 5), "user": "x"}, "uid 5 (x)", False),
        (["user", 5, 5, []], {"uid": (5, 5, 0, 5)}, "uid 5", True),
        (["no_new_privs"], {"no_new_privs": True}, "set", False),
        (["no_new_privs"], {}, "not set", True),
        (["drop_caps", []], {"capabilities": {"effective": ()}}, "none", False),
        (["drop_caps", ["kill"]], {"capabilities": {"effective": ("kill",)}}, "kill", False),
        (["drop_caps", ["kill"]], {"capabilities": {"permitted": ("kill", "sys_admin")}},
         "it has sys_admin", True),
        (["drop_caps", []], {"capabilities": {"bounding": ("kill",)}}, "it has kill", True),
        (["drop_caps", []], {"capabilities": {"bounding": ("kill",)}, "no_new_privs": True},
         "none", False),
        (["seccomp", "9 calls", ""], {"seccomp": "filter", "filters": 2},
         "filter, 2 of them", False),
        (["seccomp", "9 calls", ""], {"seccomp": "none"}, "none", True),
        (["chdir", "/"], {"workdir": "/srv"}, "now in /srv", False),
        (["exec", "sh", [], []], {"program": "/bin/sh"}, "12: /bin/sh", False),
        (["reap"], {}, "10", False),
        (["setsid"], {}, "", False),
        (["a_step_of_tomorrow", 1], {}, "", False),
    ],
)  # fmt: skip
def test_what_is_seen_of_a_step(
    step: list[object], fields: dict[str, object], text: str, is_off: bool
) -> None:
    assert look(step, live(**fields), {}) == (text, is_off)


@pytest.mark.parametrize(
    ("step", "place", "text", "is_off"),
    [
        (["hide", "/x", [], 0o555], TMPFS, "tmpfs, read-only", False),
        (["hide", "/x", [], 0o555], HOSTS, "the host's is seen there", True),
        (["hide", "/x", [], 0o555], UNKNOWN, "", False),
        (["dev", "/x", [], ""], TMPFS, "tmpfs, read-only", False),
        (["mount", "proc", "/x", "proc", 0, ""], HOSTS, "the host's is seen there", True),
        (["mount", "", "/", "", 0, ""], HOSTS, "", False),
        (["mask", ["/x"]], TMPFS, "1 are covered", False),
        (["mask", ["/x"]], HOSTS, "/x can be read", True),
        (["mask", ["/x"]], GONE, "", False),
        (["readonly", ["/x"], []], TMPFS, "read-only", False),
        (["readonly", ["/x"], []], HOSTS, "/x can be written", True),
        (["readonly", ["/x"], []], GONE, "", False),
    ],
)
def test_what_is_seen_of_a_place(step: list[object], place: Place, text: str, is_off: bool) -> None:
    places = dict.fromkeys(paths_of(step), place)
    assert look(step, live(), places) == (text, is_off)


def test_only_mounts_are_looked_at() -> None:
    assert paths_of(["hide", "/a", ["/a/b"], 1]) == ["/a"]
    assert paths_of(["readonly", ["/a", "/b"], []]) == ["/a", "/b"]
    assert paths_of(["mount", "proc", "/proc", "proc", 0, ""]) == ["/proc"]
    assert paths_of(["mkdir", "/a", 1]) == []


@pytest.mark.parametrize(
    ("found", "is_off"), [("5", False), ("5\n8:0 max", False), ("6", True), ("", True)]
)
def test_a_limit_holds_where_the_file_says_it_first(found: str, is_off: bool) -> None:
    assert LimitFact(file="pids.max", wanted="5", found=found).is_off is is_off
