"""ten_tui.cli.scaffold: `ten init`."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.config import parse_config
from ten_tui.cli.scaffold import guess_command, project, toml_string
from tests.unit.ten_tui.cli.conftest import Ten


@pytest.fixture
def empty(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = project / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_writes_a_file_that_loads(ten: Ten, empty: Path) -> None:
    ran = ten("init")
    assert ran.code == 0
    assert ran.out == (
        "Created tenement.toml\n"
        "\n"
        "  Service: shop\n"
        "  Command: ./app\n"
        "\n"
        "Next steps:\n"
        "  1. ten token-gen    # Create API token\n"
        "  2. ten serve        # Start server\n"
        "  3. ten ps           # Check running instances\n"
    )
    found = tomllib.loads((empty / "tenement.toml").read_text())
    assert found == {
        "service": {
            "shop": {
                "command": "./app",
                "health": "/health",
                "idle_timeout": 300,
                "storage_persist": True,
                "isolation": "process",
            }
        },
        "instances": {"shop": ["default"]},
    }


@pytest.mark.parametrize(
    ("command", "note"),
    [
        ("./app", "./app is not there"),
        ("./there", ""),
        ("sh app.sh", ""),
        ("no-such-tool run x", "no-such-tool is not installed"),
        ("env python main.py", "main.py is not there"),
        ("env python there.py", ""),
        ("env 'half", "the command cannot be split (No closing quotation)"),
        (" ", "the command is empty"),
    ],
)
def test_what_cannot_start_is_said(ten: Ten, empty: Path, command: str, note: str) -> None:
    for name in ("there", "there.py"):
        (empty / name).touch()
    ran = ten("init", "--command", command)
    more = ": put what starts your program into tenement.toml\n"
    assert (ran.code, ran.err) == (0, f"Note: {note}{more}" if note else "")


def test_never_over_a_file_that_is_there(ten: Ten, empty: Path) -> None:
    (empty / "tenement.toml").write_text("mine")
    ran = ten("init")
    assert (ran.code, ran.err) == (1, "Error: tenement.toml already exists in this directory\n")
    assert (empty / "tenement.toml").read_text() == "mine"
    (empty / "tenement.toml").unlink()
    (empty / "tenement.toml").symlink_to("nowhere")
    assert ten("init").code == 1


def test_names_and_commands_may_be_given(ten: Ten, empty: Path) -> None:
    assert ten("init", "--name", "web", "--command", 'sh -c "echo \\"hi\\""').code == 0
    found = tomllib.loads((empty / "tenement.toml").read_text())
    assert found["service"]["web"]["command"] == 'sh -c "echo \\"hi\\""'


@pytest.mark.parametrize("name", ["My App.x", "-a", "run", "logs", "a/b", "ü"])
def test_a_name_that_is_none_writes_nothing(ten: Ten, empty: Path, name: str) -> None:
    ran = ten("init", f"--name={name}")
    assert ran.code == 1
    assert ran.err.startswith(f"Error: Invalid service name '{name}'. Use --name")
    assert not (empty / "tenement.toml").exists()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ([], "./app"),
        (["pyproject.toml", "package.json"], "uv run python app.py"),
        (["requirements.txt"], "uv run python app.py"),
        (["package.json", "go.mod"], "npm start"),
        (["go.mod", "Cargo.toml"], "go run ."),
        (["Cargo.toml"], "cargo run --release"),
    ],
)
def test_guesses(tmp_path: Path, files: list[str], command: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert guess_command(tmp_path) == command


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_command_survives_the_file(command: str) -> None:
    assert tomllib.loads(f"x = {toml_string(command)}")["x"] == command


def test_the_engine_reads_it_without_a_warning(tmp_path: Path) -> None:
    config = parse_config(project("web", "./app --x 'a b'"), path=str(tmp_path / "tenement.toml"))
    assert config.warnings == ()
    assert config.instances == (("web", "default"),)
