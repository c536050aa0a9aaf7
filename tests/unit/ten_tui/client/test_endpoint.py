"""ten_tui.client.endpoint: which engine is meant."""

import os
import socket
from pathlib import Path

import pytest

from engine.core.errors import TenError
from ten_tui.client.endpoint import data_dir_of, find_config, find_engine


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "tenement.toml").write_text('[settings]\ndata_dir = "./data"\n')
    return folder


def listen(folder: Path) -> None:
    (folder / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "run" / "ten.sock"))


def test_the_nearest_file_counts(project: Path) -> None:
    assert find_config(project / "deep" / "er") == project / "tenement.toml"
    (project / "deep" / "tenement.toml").write_text("")
    assert find_config(project / "deep" / "er") == project / "deep" / "tenement.toml"
    assert find_config(project) == project / "tenement.toml"


def test_a_broken_link_is_the_file_that_is_meant(project: Path) -> None:
    (project / "deep" / "tenement.toml").symlink_to("nowhere")
    assert find_config(project / "deep") == project / "deep" / "tenement.toml"
    found = find_engine(project / "deep", environ={})
    assert found.data_dir == str(project / "deep" / "tenement-data")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "tenement-data"),
        ('[settings]\ndata_dir = "x/y"', "x/y"),
        ("[settings]\ndata_dir = 'x'", "x"),
        ('settings.data_dir = "x"', "x"),
        ("[settings]\ndata_dir = 7", "tenement-data"),
        ("settings = 3", "tenement-data"),
        ('[settings]\n  data_dir = "kept"  # here\n[service.\nbroken', "kept"),
        ("[settings]\ndata_dir = 'kept'\n[[", "kept"),
        ("[[[", "tenement-data"),
        ("x = " + "[" * 100_000, "tenement-data"),
        ('[settings]\ndata_dir = "/abs"', "/abs"),
    ],
    ids=range(11),
)
def test_a_broken_file_does_not_hide_its_engine(tmp_path: Path, text: str, expected: str) -> None:
    config = tmp_path / "tenement.toml"
    config.write_text(text)
    assert data_dir_of(config) == tmp_path / expected


def test_bytes_that_are_no_text_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    config = tmp_path / "tenement.toml"
    config.write_bytes(b'\xff\xfe\n[settings]\ndata_dir = "kept"\n')
    assert data_dir_of(config) == tmp_path / "kept"
    config.unlink()
    config.mkdir()
    assert data_dir_of(config) == tmp_path / "tenement-data"


def test_the_socket_of_the_nearest_file(project: Path) -> None:
    found = find_engine(project / "deep", environ={})
    assert found.socket == str(project / "data" / "run" / "ten.sock")
    assert (found.url, found.token) == ("", "")
    assert found.where == f"unix:{found.socket}"


def test_a_short_socket_behind_a_link(project: Path, tmp_path: Path) -> None:
    (project / "data" / "run").mkdir(parents=True)
    (project / "data" / "run" / "ten.sock").symlink_to(tmp_path / "short.sock")
    assert find_engine(project, environ={}).socket == str(tmp_path / "short.sock")


def test_what_is_named_beats_the_environment_and_that_the_file(project: Path) -> None:
    environ = {"TENEMENT_DATA_DIR": "/by/environment"}
    assert find_engine(project, environ=environ).data_dir == "/by/environment"
    named = find_engine(project, data_dir="by/name", environ=environ)
    assert named.data_dir == str(project / "by" / "name")


def test_a_server_is_asked_over_tcp(project: Path) -> None:
    environ = {"TENEMENT_SERVER": "http://elsewhere:1/"}
    assert find_engine(project, environ=environ).url == "http://elsewhere:1"
    found = find_engine(project, server="http://named:2", environ=environ)
    assert (found.url, found.socket, found.token) == ("http://named:2", "", "")
    assert found.where == "http://named:2"


def test_tokens_come_from_the_argument_the_environment_or_the_data_directory(
    project: Path,
) -> None:
    (project / "data").mkdir()
    (project / "data" / "api_token").write_text("of the file\n")
    environ = {"TENEMENT_TOKEN": "of the environment"}

    def token(**how: str) -> str:
        return find_engine(project, server="http://127.0.0.1:1", environ=environ, **how).token

    assert token(token="named") == "named"
    assert token() == "of the environment"
    environ.clear()
    assert token() == "of the file"
    assert token(data_dir="none") == ""


def test_the_socket_gets_only_a_token_that_was_named(project: Path) -> None:
    listen(project / "data")
    environ = {"TENEMENT_TOKEN": "of the environment"}
    found = find_engine(project, environ=environ)
    assert (found.url, found.token) == ("", "")
    assert find_engine(project, token="named", environ=environ).token == "named"


def test_with_a_token_and_no_socket_the_peers_default_server_is_meant(project: Path) -> None:
    found = find_engine(project, environ={"TENEMENT_TOKEN": "t"})
    assert (found.url, found.token) == ("http://localhost:8080", "t")
    assert find_engine(project, environ={}).url == "", "another project's engine may be there"


def test_without_any_hint_nothing_is_guessed(tmp_path: Path) -> None:
    if find_config(tmp_path) is not None:
        pytest.skip(f"there is a tenement.toml above {tmp_path}; remove it")
    with pytest.raises(TenError, match=r"Could not load tenement\.toml") as caught:
        find_engine(tmp_path, environ={})
    assert "No tenement.toml found" in str(caught.value.__cause__)
    assert find_engine(tmp_path, token="t", environ={}).url == "http://localhost:8080"


def test_a_socket_may_be_named(tmp_path: Path) -> None:
    found = find_engine(tmp_path, server="unix:/x/ten.sock", token="t", environ={})
    assert (found.socket, found.token) == ("/x/ten.sock", "t")


def test_the_environment_of_the_process_is_the_default(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("TENEMENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TENEMENT_SERVER", "http://here:3")
    assert find_engine(project).url == "http://here:3"


def test_the_kept_token_goes_to_no_other_host(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "api_token").write_text("kept\n")
    for near in ("http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"):
        assert find_engine(project, server=near, environ={}).token == "kept"
    for far in (
        "http://example.com:1",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://[",
    ):
        assert find_engine(project, server=far, environ={}).token == ""
    assert find_engine(project, server="http://example.com", token="t", environ={}).token == "t"
