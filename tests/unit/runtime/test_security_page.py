"""docs/SECURITY.md and README.md show the table that the tests hold true."""

from pathlib import Path

import pytest

from tests.kernel.probe.expected import EXPECTED, LEVELS
from tests.kernel.probe.render import PAGES, rendered


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_is_as_the_table_says(page: Path) -> None:
    text = page.read_text()
    assert rendered(text, PAGES[page]()) == text, "run python -m tests.kernel.probe.render"


def test_every_row_has_a_value_for_each_level() -> None:
    assert {len(row) for row in EXPECTED.values()} == {len(LEVELS)}


def test_nothing_works_with_a_network_of_its_own() -> None:
    assert {row[LEVELS.index("private")] for row in EXPECTED.values()} == {False}


def test_a_way_out_leads_to_the_internet_alone() -> None:
    worst = [name for name, row in EXPECTED.items() if row[LEVELS.index("outbound")] is not False]
    assert worst == ["connect to the internet"]


def test_nothing_but_the_network_works_with_strict() -> None:
    worst = [name for name, row in EXPECTED.items() if row[LEVELS.index("strict")] is not False]
    assert all(name.startswith("connect to") for name in worst), worst
