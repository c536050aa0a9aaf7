"""What is gathered, from a recording that stands for an engine; and what is cut."""

import pytest

from engine.core.errors import NotFound
from ten_tui.client import bundle
from ten_tui.client.masking import MASK
from ten_tui.client.recording import Recording
from tests.unit.ten_tui.client.bundles import AT, NAME, small_bundle


def _texts(found: bundle.Bundle) -> list[str]:
    lines = [line for window in found.logs for line in window.lines]
    return [line.text for line in sorted(lines, key=lambda line: line.number)]


def test_all_of_the_time_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_PAGE", 2)
    found = bundle.gather(Recording(small_bundle()).connect(), "9", since=AT)
    assert _texts(found) == ["x1", "a", "b", "x2", "c"]
    assert found.state.config.text == f'token = "{MASK}"'
    assert [event.id for event in found.events] == [1, 2, 3]
    assert found.manifest.program == "9"
    assert any("report of the host" in note for note in found.manifest.notes)


def test_only_what_is_young_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_PAGE", 2)
    found = bundle.gather(Recording(small_bundle()).connect(), "9", since=AT + 3)
    assert _texts(found) == ["b", "x2", "c"]
    assert [event.id for event in found.events] == [3]


def test_what_is_too_much_is_cut_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_PAGE", 2)
    monkeypatch.setattr(bundle, "MAX_LINES", 3)
    found = bundle.gather(Recording(small_bundle()).connect(), "9", since=AT)
    assert _texts(found) == ["x2", "c"]
    assert f"cut: the log of {NAME}, before line 4" in found.manifest.notes
    monkeypatch.setattr(bundle, "MAX_LOG_BYTES", 0)
    assert _texts(bundle.gather(Recording(small_bundle()).connect(), "9", since=AT)) == []


def test_services_are_chosen_by_name() -> None:
    client = Recording(small_bundle()).connect()
    assert len(bundle.gather(client, "9", since=AT, services=["api"]).state.instances) == 1
    with pytest.raises(NotFound, match="Unknown service: nope"):
        bundle.gather(client, "9", services=["nope"])
