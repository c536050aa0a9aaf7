"""Links are followed but where an instance may have put them."""

from pathlib import Path

import pytest

from engine.runtime.links import follow, is_in, store_of


def test_links_elsewhere_are_followed_to_their_end(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "real/two").symlink_to(tmp_path / "real/deep")
    assert follow(f"{tmp_path}/one/./two/../two/absent", ()) == f"{tmp_path}/real/deep/absent"


@pytest.mark.parametrize("target", ["/root", "..", "../other", "inner"])
def test_a_link_where_an_instance_writes_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "app/sub").mkdir(parents=True)
    (tmp_path / "app/sub/link").symlink_to(target)
    assert follow(f"{tmp_path}/app/sub/link", (f"{tmp_path}/app",)) == ""
    assert follow(f"{tmp_path}/app/sub/link/x", (f"{tmp_path}/app/sub",)) == ""
    assert follow(f"{tmp_path}/app/sub/link", (f"{tmp_path}/ap",)) != ""


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert follow(f"{tmp_path}/a", ()) == ""


def test_installed_interpreters_are_known_by_where_they_lie() -> None:
    homes = ("/root", "/home/me")
    assert store_of("/root/.pyenv/versions/3.11/bin/python", homes) == "/root/.pyenv/versions/3.11"
    for path in ("/root/.ssh/id", "/root/.pyenv/versions", "/home/you/.nvm/versions/node/x"):
        assert store_of(path, homes) == ""


def test_a_place_is_in_itself_and_not_beside() -> None:
    assert is_in("/srv/a", ("/srv/a",))
    assert not is_in("/srv/ab", ("/srv/a",))
