"""Panes at every size: none overlaps, none is left out, the table is always there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ten_tui.store.arrange import Box, PaneId, arrange


def cells(box: Box) -> set[tuple[int, int]]:
    return {
        (x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)
    }


@given(
    st.integers(1, 260),
    st.integers(1, 90),
    st.sampled_from(PaneId),
    st.none() | st.sampled_from(PaneId),
    st.floats(-0.4, 0.4),
)
def test_every_cell_belongs_to_one_pane(
    width: int, height: int, lower: PaneId, zoomed: PaneId | None, share: float
) -> None:
    made = arrange(width, height, lower=lower, zoomed=zoomed, share=share)
    boxes = [*made.panes.values(), *[box for box in (made.head, made.foot) if box]]
    total = sum(box.width * box.height for box in boxes)
    assert total == width * height
    if width * height < 4000:
        assert len(set().union(*map(cells, boxes))) == total
    if zoomed is None:
        assert PaneId.TABLE in made.panes
    else:
        assert set(made.panes) == {zoomed}


@pytest.mark.parametrize(
    ("width", "height", "panes"),
    [
        (80, 24, {PaneId.TABLE, PaneId.LOG}),
        (120, 40, {PaneId.TABLE, PaneId.LOG, PaneId.DETAIL}),
        (200, 60, {PaneId.TABLE, PaneId.LOG, PaneId.DETAIL, PaneId.EVENTS}),
        (20, 5, {PaneId.TABLE}),
    ],
)
def test_more_room_shows_more(width: int, height: int, panes: set[PaneId]) -> None:
    assert set(arrange(width, height).panes) == panes


def test_the_lower_place_shows_what_is_asked_for() -> None:
    assert PaneId.CONFIG in arrange(80, 24, lower=PaneId.CONFIG).panes
    assert PaneId.DETAIL in arrange(80, 24, lower=PaneId.DETAIL).panes
    assert PaneId.LOG in arrange(120, 40, lower=PaneId.DETAIL).panes
