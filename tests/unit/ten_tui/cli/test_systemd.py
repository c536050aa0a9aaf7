"""`ten install` as far as it goes without systemd; tests/vm/test_systemd.py has the rest."""

import os
from pathlib import Path

import pytest

from ten_tui.cli import systemd
from tests.unit.ten_tui.cli.conftest import Ten

WEB = "[service.web]\ncommand = 'sleep 1'\n"


def listed(project: Path) -> set[Path]:
    return {*project.iterdir(), *systemd.UNIT.parent.glob("tenement*")}


def test_a_dry_run_shows_the_units_and_does_nothing(ten: Ten, project: Path) -> None:
    before = listed(project)
    ran = ten("install", "-d", "example.com", "-p", "9000", "--caddy", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    words = f"--config={project}/tenement.toml --domain=example.com --port=9000 --tls"
    assert f"ExecStart=/usr/local/bin/ten serve {words}\n" in ran.out
    assert "Delegate=yes" in ran.out
    assert listed(project) == before


def test_a_named_configuration_and_data_directory_are_made_absolute(
    ten: Ten, project: Path
) -> None:
    odd = project / "100% of it's $own"
    odd.mkdir()
    (odd / "tenement.toml").write_text(WEB)
    named = f"{odd.name}/tenement.toml"
    ran = ten("install", "-d", "a.b", "-c", named, "--data-dir", "here", "--dry-run")
    line = next(line for line in ran.out.splitlines() if line.startswith("ExecStart="))
    assert f'"--config={project}/100%% of it\'s $$own/tenement.toml"' in line
    assert f"--data-dir={project}/here" in line
    assert systemd.config_of(line) == f"{odd}/tenement.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service.web]\ncommand = 5\n", "line 2, column 11"),
        ("[service.web\n", "line 1"),
        ("[service.web]\ncommand = 'x'\nmemory_max = 'much'\n", "memory_max"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_wrong_configuration_is_refused(
    ten: Ten, project: Path, text: str | bytes, said: str
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (project / "tenement.toml").write_bytes(data)
    before = listed(project)
    ran = ten("install", "-d", "example.com", "--dry-run")
    assert ran.code == 1
    assert said in ran.err
    assert listed(project) == before


def test_what_cannot_be_done_is_said_with_what_can(
    ten: Ten, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tenement.toml").write_text(WEB)
    ran = ten("install", "-d", "example.com", "-c", "none.toml")
    assert f"{project}/none.toml: No such file or directory" in ran.err
    ran = ten("install", "-d", "example.com", "--dns-provider", "route53")
    assert "`ten caddy -d example.com --dns-provider route53`" in ran.err
    ran = ten("install", "-d", "not a domain")
    assert ran.code == 2
    ran = ten("--host", "eva@there", "install", "-d", "a.b")
    assert "works on this host only" in ran.err
    monkeypatch.setattr(systemd, "RUNS", project / "none")
    for command in (("install", "-d", "a.b"), ("uninstall",)):
        assert "systemd does not run this host" in ten(*command).err
    monkeypatch.setattr(systemd, "RUNS", project)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for command in (("install", "-d", "a.b"), ("uninstall",)):
        assert f"ten {command[0]} needs root" in ten(*command).err
    (project / "tenement.toml").unlink()
    assert "No tenement.toml here or above" in ten("install", "-d", "a.b").err


def test_what_somebody_else_put_there_is_left_alone(
    ten: Ten, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tenement.toml").write_text(WEB)
    units, program = project / "units", project / "ten"
    units.mkdir()
    monkeypatch.setattr(systemd, "RUNS", project)
    monkeypatch.setattr(systemd, "UNIT", units / "tenement.service")
    monkeypatch.setattr(systemd, "PROGRAM", program)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program.write_text("another")
    ran = ten("install", "-d", "a.b")
    assert f"{program} is not from `ten install`" in ran.err
    program.unlink()
    systemd.UNIT.write_text("[Service]\nExecStart=/opt/mine\n")
    for command in (("install", "-d", "a.b"), ("uninstall",)):
        assert f"{systemd.UNIT} is not from `ten install`" in ten(*command).err
    assert systemd.UNIT.read_text() == "[Service]\nExecStart=/opt/mine\n"
    systemd.UNIT.unlink()
    assert f"{systemd.UNIT} is not there" in ten("uninstall").err
