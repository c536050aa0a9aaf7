"""What is said of an act before it is done."""

import pytest

from ten_tui.deeds import share_preview, valid_names
from ten_tui.link import Link
from ten_tui.messages import StreamArrived
from ten_tui.store.view import View
from tests.tui.demo import demo_instances
from tests.tui.fake import demo_engine


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("50", "25% of api"),
        ("0", "0% of api"),
        ("101", "0 to 100"),
        ("x", "0 to 100"),
        ("", "0 to 100"),
    ],
)
def test_a_weight_shows_the_share_it_would_give(text: str, said: str) -> None:
    assert share_preview(demo_instances(), "api:alice", text) == said


def test_a_service_without_weight_has_no_share() -> None:
    alone = [one for one in demo_instances() if one.name == "flaky:default"]
    assert share_preview(alone, "flaky:default", "0") == "none of flaky"


def test_only_names_of_instances_are_taken_from_a_command() -> None:
    assert valid_names(["api:bob", "-f", "api:", "40", "a:../x"]) == ("api:bob",)


def test_only_the_newest_snapshot_and_what_follows_is_taken() -> None:
    posted: list[object] = []
    link = Link(demo_engine().connect, posted.append)
    engine = demo_engine()
    first, second = engine.snapshot(), engine.snapshot()
    for update in (first, second):
        link._enqueue(update)
    assert [type(one) for one in posted] == [StreamArrived]
    taken = link.take_updates()
    assert len(taken) == 1
    assert taken[0] is second
    view = View()
    for update in taken:
        view.apply(update)
    assert len(view.instances) == 9
    assert link.take_updates() == []
    link.close()
