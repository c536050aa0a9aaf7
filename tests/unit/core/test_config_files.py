"""`rootfs` and `mounts`: what is taken, and what is refused in its place."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.reload import spec_digest
from engine.core.spec import Bind, ServiceSpec


def read(*lines: str) -> ServiceSpec:
    text = "\n".join(["[service.api]", 'command = "run"', *lines])
    return parse_config(text, path="/srv/t.toml").services["api"]


def test_without_them_the_hosts_files_are_seen() -> None:
    assert (read().rootfs, read().mounts, read().workdir) == ("", (), "/srv")


def test_a_root_brings_its_own_paths() -> None:
    assert read('rootfs = "/srv/images/../debian/"').rootfs == "/srv/debian"
    assert read('rootfs = "images/./debian"').rootfs == "/srv/images/debian"
    assert read('rootfs = "/srv/x"').workdir == "/"
    assert read('rootfs = "/srv/x"', 'workdir = "/app/"').workdir == "/app"


def test_mounts_are_read_only_unless_said() -> None:
    texts = ["/srv/models:/models", "/var/x:/cache:rw", "/etc/one", "/etc/two:ro", "/a/{id}:/b"]
    assert read('mounts = ["./m:/run/m:rw", "m:/run/n"]').mounts == (
        Bind(source="/srv/m", target="/run/m", is_writable=True),
        Bind(source="/srv/m", target="/run/n"),
    )
    assert read(f"mounts = {texts!r}").mounts == (
        Bind(source="/srv/models", target="/models"),
        Bind(source="/var/x", target="/cache", is_writable=True),
        Bind(source="/etc/one", target="/etc/one"),
        Bind(source="/etc/two", target="/etc/two"),
        Bind(source="/a/{id}", target="/b"),
    )


def test_a_change_of_either_is_taken_by_a_restart_only() -> None:
    specs = [read(), read('rootfs = "/x"'), read('mounts = ["/a:/b"]'), read('mounts = ["/a"]')]
    assert len({spec_digest(spec) for spec in specs}) == 4


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        (['rootfs = ""'], (3, 10), "rootfs is empty"),
        (['rootfs = "/"'], (3, 10), "cannot be the host's /"),
        (['rootfs = "//x/.."'], (3, 10), "cannot be the host's /"),
        (['rootfs = ".."'], (3, 10), "cannot be the host's /"),
        (['rootfs = "/a,b"'], (3, 10), "holds ',', which no overlay takes"),
        (['rootfs = "/a:b"'], (3, 10), "holds ':'"),
        (["rootfs = true"], (3, 10), "expected a string"),
        (['rootfs = "/x"', 'isolation = "process"'], (3, 10), 'with isolation = "process"'),
        (['rootfs = "/x"', 'workdir = "app"'], (4, 11), "must be a whole path: with rootfs"),
        (['mounts = ["/a"]', 'isolation = "process"'], (3, 10), 'with isolation = "process"'),
        (['mounts = "/a:/b"'], (3, 10), "expected an array of strings"),
        (['mounts = ["a"]'], (3, 10), "no pair of paths"),
        (['mounts = ["/proc:/run/x"]'], (3, 10), "'/proc' cannot be a source"),
        (['mounts = ["/a:b"]'], (3, 10), "no pair of paths"),
        (['mounts = [""]'], (3, 10), "no pair of paths"),
        (['mounts = ["rw"]'], (3, 10), "no pair of paths"),
        (['mounts = ["/a:/b:/c"]'], (3, 10), "no pair of paths"),
        (['mounts = ["/a:/b:rx"]'], (3, 10), "no pair of paths"),
        (['mounts = ["/a/../b:/c"]'], (3, 10), "goes through '..'"),
        (['mounts = ["/a:/"]'], (3, 10), "cannot be a target"),
        (['mounts = ["/a:/proc/sys"]'], (3, 10), "cannot be a target"),
        (['mounts = ["/dev/kvm"]'], (3, 10), "cannot be a target"),
        (['mounts = ["/a:/x", "/b:/x/"]'], (3, 10), "'/x' is the target of two"),
    ],
)
def test_refused_in_its_place(lines: list[str], place: tuple[int, int], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        read(*lines)
    assert (caught.value.line, caught.value.column) == place
