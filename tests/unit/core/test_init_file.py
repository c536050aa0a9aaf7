import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.config import parse_config
from engine.core.errors import Refused
from engine.core.init_file import guess_command, guess_name, quote, render_init
from engine.core.spec import Isolation, ServiceSpec

COMMANDS = [
    "./app",
    """sh -c 'echo "x y"; exec ./app'""",
    'python -c "print(\\"hi\\")"',
    "a\\ b",
    "café 日本 🎉",
    "sh -c 'set -e\nexec x\ty\x7f\x01'",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_comes_back_as_it_was(command: str) -> None:
    config = parse_config(render_init("web", command), path="/srv/tenement.toml", is_strict=True)
    assert config.services == {
        "web": ServiceSpec(
            name="web",
            command=command,
            isolation=Isolation.PROCESS,
            health="/health",
            idle_timeout_seconds=300,
            workdir="/srv",
        )
    }
    assert config.instances == (("web", "default"),)
    assert config.warnings == ()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_is_quoted(text: str) -> None:
    config = parse_config(
        f"[service.a]\ncommand = {quote(text)}\nargs = []\n" if text else "", path="/t"
    )
    assert [spec.command for spec in config.services.values()] == ([text] if text else [])


def test_the_file_as_it_is_written() -> None:
    assert render_init("api", "npm start") == (
        "# What is run here, and how. Every key: docs/CONFIG.md.\n"
        "\n"
        "[service.api]\n"
        'command = "npm start"\n'
        'isolation = "process"\n'
        'health = "/health"\n'
        "idle_timeout = 300\n"
        "storage_persist = true\n"
        "\n"
        "[instances]\n"
        'api = ["default"]\n'
    )


@pytest.mark.parametrize(
    ("name", "command", "message"),
    [
        ("a/b", "x", "'a/b' cannot name a service"),
        ("logs", "x", "'logs' cannot name a service"),
        ("api", "sh -c 'x", "the command cannot be split: no closing quotation"),
        ("api", "  ", "the command is empty"),
        ("api", "x\0y", "the command holds a NUL"),
    ],
)
def test_what_would_not_load_is_not_written(name: str, command: str, message: str) -> None:
    with pytest.raises(Refused) as caught:
        render_init(name, command)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ([], "./app"),
        (["README.md"], "./app"),
        (["pyproject.toml", "app.py"], "uv run python app.py"),
        (["uv.lock"], "uv run python main.py"),
        (["package.json", "go.mod"], "npm start"),
        (["go.mod", "main.go"], "go run ."),
        (["Cargo.toml"], "cargo run --release"),
    ],
)
def test_guesses(files: list[str], command: str) -> None:
    assert guess_command(files) == command


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("web", "web"),
        ("My App!", "My-App"),
        ("--x--", "x"),
        ("日本", "app"),
        ("", "app"),
        ("logs", "app"),
        ("x" * 62 + "-y", "x" * 62),
    ],
)
def test_names_from_folders(folder: str, name: str) -> None:
    assert guess_name(folder) == name
