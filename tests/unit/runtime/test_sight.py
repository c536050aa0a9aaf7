"""What a service names stays in sight, and nothing besides."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.hardening import HardeningSpec
from engine.runtime.sight import found_paths, given_paths, outermost
from engine.runtime.steps import Launchable

Name = Callable[..., list[str]]


@pytest.fixture
def named(tmp_path: Path) -> Name:
    """Give what is named by a service in a home; the test's folder stands for /home."""

    def make(*argv: str, hidden: tuple[str, ...] = (), **fields: object) -> list[str]:
        values = {
            "name": "api:x",
            "data_dir": str(tmp_path / "data"),
            "own_dir": str(tmp_path / "data/api/x"),
            "workdir": str(tmp_path / "me/app"),
            "socket": "/tmp/s",
            "argv": argv or ("true",),
            "env": {"PATH": "/usr/bin:/bin"},
            "cgroup": "",
            "hardening": HardeningSpec(),
            "named": (),
            "secret": (),
        } | fields
        what = Launchable(**values)  # type: ignore[arg-type]
        places = {str(tmp_path), str(tmp_path / "me"), *hidden}
        found = given_paths(what, places) + found_paths(what, places)
        return [os.path.relpath(path, tmp_path) for path in outermost(str(tmp_path), found)]

    return make


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("me/app", "me/.ssh", "data/api/x", "other"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def put(path: Path, text: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_working_directory_and_nothing_beside_it(home: Path, named: Name) -> None:
    assert named() == ["me/app"]


def test_a_file_brings_its_folder_but_not_a_hidden_one(home: Path, named: Name) -> None:
    one, two = put(home / "me/conf/app.toml"), put(home / "me/lone")
    assert named("true", one, two) == ["me/app", "me/conf", "me/lone"]


def test_own_environment_names_but_what_is_passed_on_does_not(home: Path, named: Name) -> None:
    path = put(home / "me/db/main")
    assert named(env={"PATH": "/bin", "HOME": str(home / "other")}) == ["me/app"]
    assert named(named=(path, "relative", "/a\0b")) == ["me/app", "me/db"]


def test_a_virtual_environment_brings_the_interpreter_behind_its_link(
    home: Path, named: Name
) -> None:
    real = put(home / "me/.local/share/uv/python/cpython/bin/python3.11")
    python = home / "me/app/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(real)
    script = put(home / "me/app/.venv/bin/uvicorn", f"#!{python}\n")
    expected = ["me/.local/share/uv/python/cpython", "me/app"]
    assert named(script) == expected
    assert named("sh", "-c", "exec .venv/bin/python") == expected, "found where it starts"


@pytest.mark.parametrize("line", ["#!{node}", "#! {node} -x", "#!/usr/bin/env node"])
def test_a_script_brings_its_interpreter(home: Path, named: Name, line: str) -> None:
    node = put(home / "me/.nvm/versions/v20/bin/node")
    script = put(home / "me/tools/run", line.format(node=node) + "\nrest")
    env = {"PATH": f"{os.path.dirname(node)}:/usr/bin"} if "env" in line else {"PATH": "/usr/bin"}
    assert named(script, env=env) == ["me/.nvm/versions/v20", "me/app", "me/tools"]


@pytest.mark.parametrize("head", ["#!", "#! \n", "#!relative", "#!/usr/bin/env", "#!/a\0b", "x"])
def test_a_broken_script_names_nothing(home: Path, named: Name, head: str) -> None:
    assert named(put(home / "me/app/run", head)) == ["me/app"]


def test_a_program_that_is_a_fifo_holds_nobody_up(home: Path, named: Name) -> None:
    fifo = home / "me/app/run"
    os.mkfifo(fifo, 0o755)
    assert named(str(fifo)) == ["me/app"]


def test_folders_of_path_come_without_what_the_user_has_beside_them(
    home: Path, named: Name
) -> None:
    names = ("me/.local/bin", "me/.nvm/v20/bin", "me/.pyenv/shims", "me/scripts")
    for name in names:
        (home / name).mkdir(parents=True)
    folders = [str(home / name) for name in names]
    found = named(env={"PATH": ":".join([*folders, "relative", str(home / "absent"), "/bin"])})
    assert found == ["me/.local/bin", "me/.nvm/v20", "me/.pyenv", "me/app", "me/scripts"]


def test_links_in_its_own_folder_name_nothing(home: Path, named: Name) -> None:
    link = home / "data/api/x/link"
    link.symlink_to(home / "me/.ssh")
    script = home / "data/api/x/run"
    script.symlink_to(put(home / "other/run", "#!/usr/bin/env secret"))
    assert named(str(script), f"{link}/id", env={"PATH": str(link)}) == ["me/app"]


@pytest.mark.parametrize("name", [".venv/bin/python", "venv", "run", "conf", "given"])
def test_links_in_the_working_directory_name_nothing_hidden(
    home: Path, named: Name, name: str
) -> None:
    put(home / "me/.ssh/bin/python")
    put(home / "me/.ssh/id")
    link = home / "me/app" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(home / "me/.ssh")
    assert named(str(home / "me/app/run"), "given", "conf/id", named=(f"{link}",)) == ["me/app"]
    link.unlink()
    link.symlink_to(home / "me/.ssh/bin/python")
    assert named(str(home / "me/app/run"), "given", named=(f"{link}",)) == ["me/app"]


def test_a_script_in_the_working_directory_names_nothing_hidden(home: Path, named: Name) -> None:
    secret = put(home / "me/.ssh/id")
    script = put(home / "me/app/run", f"#!{secret}\n")
    assert named(script) == ["me/app"]


def test_a_file_that_was_named_and_became_a_link_names_nothing(home: Path, named: Name) -> None:
    (home / "me/conf").mkdir()
    (home / "me/conf/app.toml").symlink_to(home / "me/.ssh")
    assert named("true", str(home / "me/conf/app.toml")) == ["me/app"]


def test_the_root_as_working_directory_closes_no_link(home: Path, named: Name) -> None:
    real = put(home / "me/.local/share/uv/python/cpython/bin/python3.11")
    python = home / "me/tools/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(real)
    found = named(str(python), "-c", "import os; print(1)", workdir="/")
    assert found == ["me/.local/share/uv/python/cpython", "me/tools/.venv"]
