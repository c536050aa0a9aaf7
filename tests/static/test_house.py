"""The house rules as tests: format, lint, import contracts, types, and what may not be written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SOURCES = ["engine", "ten_tui", "tests", "examples", "tools"]


def tracked(*patterns: str) -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout; clone the repository to run this")
    names = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", *SOURCES],
        ["ruff", "check", *SOURCES],
        ["lint-imports"],
        ["mypy"],
    ],
    ids=["format", "ruff", "imports", "types"],
)
def test_linter(command: list[str]) -> None:
    program, *arguments = command
    done = subprocess.run(
        [BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_grows_past_its_job() -> None:
    limit = 400
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("engine/*.py", "ten_tui/*.py")
        if (lines := len(path.read_text().splitlines())) > limit
    }
    assert long == {}


def test_keeper_can_be_read_in_one_sitting() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in tracked("engine/keeper/*.py"))
    assert lines < 1000
    code = sum(_code_lines(path.read_text()) for path in tracked("engine/keeper/*.py"))
    assert code < 500


def _code_lines(text: str) -> int:
    """Count lines that say what is done: no blank, comment, docstring or import."""
    text = re.sub(r'(?ms)^\s*""".*?"""\s*$', "", text)
    passed_over = ("#", "import ", "from ")
    return sum(
        1 for line in text.splitlines() if line.strip() and not line.strip().startswith(passed_over)
    )


def test_no_registry_address_is_written() -> None:
    hosts = ["files.python" + "hosted", "pypi" + ".org/simple", "registry.npm" + "js"]
    found = [
        str(path)
        for path in tracked()
        if path.suffix not in {".svg", ".png"}
        for host in hosts
        if host in path.read_text(errors="replace")
    ]
    assert found == []


def test_every_module_of_the_engine_has_a_test() -> None:
    """A test file of its name, or tests that import it; screens and commands are driven whole."""
    tests = "\n".join(path.read_text() for path in tracked("tests/*.py"))
    names = {path.stem for path in tracked("tests/*.py")}
    missing = []
    for path in tracked("engine/core/*.py", "engine/kernel/*.py", "engine/runtime/*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        package, _, name = module.rpartition(".")
        is_imported = module in tests or f"from {package} import" in tests
        if name != "__init__" and not is_imported and f"test_{name}" not in names:
            missing.append(module)
    assert missing == []
