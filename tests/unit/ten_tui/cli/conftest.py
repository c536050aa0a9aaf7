from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ten_tui.cli import main
from tests.served import Served


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


Ten = Callable[..., Ran]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tenement.toml, which is the current one; no environment speaks of others."""
    for name in ("TENEMENT_SERVER", "TENEMENT_TOKEN", "TENEMENT_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tenement.toml").write_text('[settings]\ndata_dir = "data"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def served(project: Path) -> Iterator[Served]:
    with Served(project / "data") as found:
        yield found


@pytest.fixture
def ten(project: Path, capsys: pytest.CaptureFixture[str]) -> Ten:
    """Run `ten` in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run
