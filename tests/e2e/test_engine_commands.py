"""The commands of `python -m engine` that need no engine, and starts that are refused."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.engine_run import TENANT, EngineRun

CONFIG = """
[service.api]
command = "./app {port}"
args = ["-x"]
isolation = "process"
health = "/h"
idle_timeout = 300

[service.b]
command = "b"
"""

Make = Callable[[str], EngineRun]


def engine(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if not name.startswith("TENEMENT")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "engine", *arguments],
        cwd=folder,
        env=env | environ,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tenement.toml").write_text(CONFIG)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    return tmp_path


def test_config_is_found_from_below_and_shown_as_the_peer_shows_it(folder: Path) -> None:
    done = engine(folder / "deep" / "er", "config")
    assert done.returncode == 0
    assert done.stdout == (
        f'Data dir: "{folder}/tenement-data"\n'
        "Health interval: 10s\n"
        "\n"
        "Services:\n"
        "  [api]\n"
        "    command: ./app {port}\n"
        "    isolation: process\n"
        "    health: /h\n"
        "    idle_timeout: 300s\n"
        "  [b]\n"
        "    command: b\n"
        "    isolation: namespace\n"
    )
    beaten = engine(folder, "config", TENEMENT_DATA_DIR="/from/environment")
    assert 'Data dir: "/from/environment"' in beaten.stdout
    named = engine(folder, "config", "--data-dir", "/named", TENEMENT_DATA_DIR="/from/environment")
    assert 'Data dir: "/named"' in named.stdout


def test_unknown_keys_warn_or_are_errors(folder: Path) -> None:
    (folder / "tenement.toml").write_text(CONFIG + 'helth = "/x"\n')
    done = engine(folder, "config", "--check")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"warning: .*helth.*health", done.stderr)
    strict = engine(folder, "config", "--check", "--strict")
    assert strict.returncode == 1
    assert strict.stderr.startswith(f"Error: Failed to parse config file: {folder}/tenement.toml")


@pytest.mark.parametrize("command", ["config", "serve"])
def test_refused_files_are_named_with_the_place(folder: Path, command: str) -> None:
    (folder / "tenement.toml").write_text("[service.api]\ncommand = 5\n")
    done = engine(folder, command)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[0] == f"Error: Failed to parse config file: {folder}/tenement.toml"
    assert "line 2, column 11" in done.stderr
    assert not (folder / "tenement-data").exists()


@pytest.mark.parametrize("command", ["config", "serve", "token-gen"])
def test_a_data_directory_without_a_name_is_refused(folder: Path, command: str) -> None:
    done = engine(folder, command, "--data-dir", "")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "Error: --data-dir is empty")
    assert sorted(os.listdir(folder)) == ["deep", "tenement.toml"]


@pytest.mark.parametrize("domain", ["", "a b", "a..b", "x" * 64])
def test_a_domain_that_is_none_is_refused(folder: Path, domain: str) -> None:
    done = engine(folder, "serve", "--domain", domain)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument -d/--domain: not a domain: {domain!r}" in done.stderr
    assert sorted(os.listdir(folder)) == ["deep", "tenement.toml"]


def test_no_file_at_all(tmp_path: Path) -> None:
    done = engine(tmp_path, "serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: No tenement.toml found.")


@pytest.mark.parametrize(
    ("flag", "reason", "advice"),
    [
        ("--tls", "no public CA signs for localhost", "settings.tls.internal = true"),
        ("--staging", "--staging and --email are about --tls", "add --tls"),
    ],
)
def test_tls_that_cannot_be_is_refused_with_advice(
    folder: Path, flag: str, reason: str, advice: str
) -> None:
    done = engine(folder, "serve", flag)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == f"Error: {reason}"
    assert advice in done.stderr
    assert sorted(os.listdir(folder)) == ["deep", "tenement.toml"]


def test_damaged_database_is_said_at_the_start(folder: Path) -> None:
    (folder / "tenement-data").mkdir()
    (folder / "tenement-data" / "ten.db").write_bytes(b"not a database" * 500)
    done = engine(folder, "serve")
    assert done.returncode == 1
    assert "ten.db" in done.stderr


def test_tokens_are_made_without_an_engine_and_are_in_force_beside_one(make_engine: Make) -> None:
    run = make_engine(f'[service.web]\ncommand = "{TENANT}"\nisolation = "process"\n')
    run.start()
    place = ["--config", str(run.config), "--data-dir", str(run.data_dir)]
    done = engine(run.folder, "token-gen", *place)
    found = re.fullmatch(
        r"Generated admin API token:\n\n  ([\w-]{43})\n\n"
        rf"Token saved to {run.data_dir}/api_token\n"
        r"Use it in the Authorization header: Bearer ([\w-]{43})\n",
        done.stdout,
    )
    assert found, done
    assert found[1] == found[2]
    assert stat.S_IMODE((run.data_dir / "api_token").stat().st_mode) == 0o600
    assert run.visit("", "/api/instances", token=found[1]) == (200, "[]")
    assert run.visit("", "/api/instances")[0] == 401

    tenant = engine(run.folder, "token-gen", "--tenant", "alice", *place)
    assert tenant.stdout.startswith("Generated tenant token for 'alice':\n\n  ")
    assert (run.data_dir / "api_token").read_text() == found[1]
    refused = engine(run.folder, "token-gen", "--tenant", "../x", *place)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_a_port_that_is_taken_is_said(make_engine: Make) -> None:
    config = f'[service.web]\ncommand = "{TENANT}"\nisolation = "process"\n'
    run, other = make_engine(config), make_engine(config)
    run.start()
    other.port = run.port
    process = other.popen()
    output, error = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, b"")
    assert f"127.0.0.1:{run.port}" in error.decode()


def test_a_limit_nobody_can_enforce_is_said(make_engine: Make) -> None:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("this host may have the memory controller")
    run = make_engine(
        f'[service.web]\ncommand = "{TENANT}"\nisolation = "process"\nmemory_limit_mb = 64\n'
    )
    run.start()
    assert run.spawn("web:a")[0] == 200
    view = run.wait_state("web:a", "healthy")
    assert view.get("memory_limit_bytes", 0) == 0
    assert any("is not enforced" in e["text"] and e["level"] == "warning" for e in run.events())
