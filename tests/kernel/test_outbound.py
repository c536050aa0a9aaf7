"""What a way out needs of the host: refused in its place where it is missing, told by doctor."""

import subprocess
from pathlib import Path

import pytest

from engine.kernel import nftables
from tests.kernel.test_doctor import ENGINE, ask
from tests.kernel.test_host import check
from tests.poor import ordinary
from tests.require import require_program, require_root

pytestmark = pytest.mark.kernel

CONFIG = """[service.api]
command = "true"
network = "outbound"
"""
COVER = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" "$2"; shift 2; exec "$@"', "sh"]
"""Run a command that sees one file in the place of another."""


@pytest.fixture
def nft() -> str:
    require_root()
    return require_program("nft", "nftables")


def findings(command: list[str], folder: Path) -> tuple[str, str, list[str]]:
    status, found = ask(command, folder, CONFIG)
    each = found["network.outbound"]
    assert status == (0 if each["value"] == "yes" else 1)
    return each["value"], each["why"] + each["fix"] + each["detail"], each["needed_by"]


def networks() -> set[str]:
    """List this host's interfaces and tables."""
    names = {line.split(":")[0] for line in Path("/proc/net/dev").read_text().splitlines()}
    command = [nftables.find(), "list", "tables"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return names | set(done.stdout.splitlines())


def test_with_all_it_needs_it_is_tried_and_leaves_nothing(tmp_path: Path, nft: str) -> None:
    before = networks()
    done = check(tmp_path, CONFIG, [])
    assert done.returncode == 0, done.stderr
    value, text, _ = findings(ENGINE, tmp_path)
    assert (value, "veth and nft were tried" in text) == ("yes", True), text
    assert networks() == before


def test_without_nft_it_is_refused_with_the_line_that_installs_it(tmp_path: Path, nft: str) -> None:
    without = [*COVER, "/dev/null", str(Path(nft).resolve())]
    done = check(tmp_path, CONFIG, without)
    assert done.returncode == 1
    for text in ("line 3, column 11", "needs the nft program", "apt-get install nftables"):
        assert text in done.stderr, done.stderr
    value, text, needed_by = findings([*without, *ENGINE], tmp_path)
    assert (value, needed_by) == ("no", ["service.api.network"])
    assert "apt-get install nftables" in text


def test_an_nft_that_fails_is_told_in_its_own_words(tmp_path: Path, nft: str) -> None:
    """As it does on a kernel without nf_tables."""
    broken = tmp_path / "nft"
    broken.write_text("#!/bin/sh\necho 'cache initialization failed: Not supported' >&2; exit 1\n")
    broken.chmod(0o755)
    done = check(tmp_path, CONFIG, [*COVER, str(broken), str(Path(nft).resolve())])
    assert done.returncode == 1
    assert "load the packet filter: nft: cache initialization failed" in done.stderr
    assert "modprobe nft_nat" in done.stderr


def test_an_ordinary_user_has_none() -> None:
    with ordinary("engine") as (command, home):
        value, text, needed_by = findings(command, home)
    assert (value, needed_by) == ("no", ["service.api.network"])
    assert "needs an engine that runs as root" in text


def test_a_host_without_resolvers_that_can_be_reached_is_a_warning(
    tmp_path: Path, nft: str
) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    target = str(Path("/etc/resolv.conf").resolve())
    done = check(tmp_path, CONFIG, [*COVER, str(tmp_path / "resolv.conf"), target])
    said = done.stdout + done.stderr
    assert "no resolver of this host can be reached from an instance" in said
    assert done.returncode == 0
    named = '[settings]\noutbound_dns = ["9.9.9.9"]\n' + CONFIG
    done = check(tmp_path, named, [*COVER, str(tmp_path / "resolv.conf"), target])
    assert "resolver" not in done.stdout + done.stderr
