"""The table's order, filter, folds and marks."""

import pytest

from ten_tui.store.columns import COLUMNS, Facts, Field, columns_for, instance_cell, sum_cell
from ten_tui.store.spark import BINS, Spark
from ten_tui.store.table import GroupRow, Order, Table, longest_name, parse_filter
from ten_tui.store.view import View
from tests.tui.demo import T0, many_instances
from tests.tui.fake import demo_engine


def view() -> View:
    made = View()
    made.apply(demo_engine().snapshot())
    return made


def table(**more: object) -> Table:
    made = Table(**more)  # type: ignore[arg-type]
    made.rebuild(view())
    return made


def keys(made: Table) -> list[str]:
    return [row.key for row in made.rows]


def test_instances_stand_under_their_service() -> None:
    assert keys(table())[:5] == ["api:", "api:alice", "api:bob", "api:carol", "flaky:"]


def test_the_cursor_begins_on_an_instance() -> None:
    made = table()
    assert made.selected == "api:alice"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("state:fail", ["flaky:default"]),
        ("state:bad", ["api:carol", "flaky:default", "flaky:second"]),
        ("asleep", ["report:monthly"]),
        ("api -carol", ["api:alice", "api:bob"]),
        ("iso:process mail", ["worker:mail"]),
        ("svc:rep s:stopped", ["report:weekly"]),
        ("version:v43", ["api:carol"]),
        ("api:BOB", ["api:bob"]),
        ("nothing-like-it", []),
    ],
)
def test_filter_words_must_all_hold(text: str, names: list[str]) -> None:
    made = table(filter=text, is_grouped=False)
    assert keys(made) == names


def test_a_dash_alone_is_a_word() -> None:
    test = parse_filter("-")
    assert not any(test(one) for one in view().instances.values())


def test_sorting_is_within_groups_and_groups_keep_their_place() -> None:
    made = table(order=Order.REQUESTS, is_descending=True)
    assert [key for key in keys(made) if key.endswith(":")] == [
        "api:",
        "flaky:",
        "report:",
        "worker:",
    ]
    seen = view()
    members = [key for key in keys(made) if key.startswith("api:") and key != "api:"]
    rates = [seen.sample(name).requests for name in members]
    assert rates == sorted(rates, reverse=True)


def test_every_order_sorts_the_flat_list() -> None:
    for order in Order:
        made = table(order=order, is_grouped=False, is_descending=True)
        assert len(made.rows) == 9
    made = table()
    orders = []
    for _ in Order:
        made.cycle_order()
        orders.append(made.order)
    assert set(orders) == set(Order)


def test_a_fold_hides_members_and_a_filter_looks_into_it() -> None:
    seen = view()
    made = table()
    made.toggle_fold()
    made.rebuild(seen)
    assert made.cursor == "api:"
    assert "api:alice" not in keys(made)
    made.filter = "alice"
    made.rebuild(seen)
    assert "api:alice" in keys(made)


def test_the_cursor_stays_on_its_instance_and_near_it_when_it_goes() -> None:
    seen = view()
    made = table()
    made.cursor = "api:bob"
    made.order = Order.CPU
    made.rebuild(seen)
    assert made.cursor == "api:bob"
    place = made.place
    del seen.instances["api:bob"]
    made.rebuild(seen)
    assert made.rows[place].key == made.cursor


def test_marks_go_on_and_a_group_marks_its_members() -> None:
    made = table()
    made.toggle_mark()
    assert made.marks == {"api:alice"}
    assert made.selected == "api:bob"
    assert made.targets() == ("api:alice",)
    made.cursor = "api:"
    made.toggle_mark()
    assert made.marks == {"api:alice", "api:bob", "api:carol"}
    made.cursor = "api:"
    made.toggle_mark()
    assert made.marks == set()
    made.cursor = "api:"
    assert made.targets() == ("api:alice", "api:bob", "api:carol")


def test_marks_of_what_is_gone_are_dropped() -> None:
    seen = view()
    made = table(marks={"api:bob", "no:such"})
    made.rebuild(seen)
    assert made.marks == {"api:bob"}


@pytest.mark.parametrize("height", [1, 2, 5, 12, 40])
def test_the_cursor_is_always_in_view(height: int) -> None:
    made = table()
    for steps in (1, 3, 100, -2, -100, 7):
        made.move(steps)
        made.scroll(height)
        assert made.top <= made.place < made.top + height
    made.go(-1)
    assert made.place == len(made.rows) - 1


def test_an_empty_table_has_no_selection() -> None:
    made = Table()
    made.rebuild(View())
    made.move(3)
    made.go(2)
    made.toggle_mark()
    made.toggle_fold()
    assert (made.row, made.selected, made.targets()) == (None, "", ())


def test_a_group_knows_its_worst_state_first() -> None:
    group = table().rows[0]
    assert isinstance(group, GroupRow)
    assert [state.value for state, _ in group.states] == ["degraded", "healthy"]
    assert group.sums[1] > 0


@pytest.mark.parametrize("width", [1, 10, 20, 40, 77, 100, 140, 300])
def test_columns_fit_and_the_name_never_goes(width: int) -> None:
    chosen = columns_for(width, 18)
    assert chosen[0].field is Field.NAME
    assert sum(column.width for column in chosen) + len(chosen) - 1 <= max(width, 14)


def test_columns_are_dropped_by_rank() -> None:
    narrow = {column.field for column in columns_for(60, 18)}
    assert {Field.STATE, Field.CPU, Field.MEMORY} <= narrow
    assert Field.VERSION not in narrow
    assert {c.field for c in columns_for(200, 18)} == {c.field for c in COLUMNS}


def test_every_cell_fits_its_column() -> None:
    seen = view()
    for instance in [*seen.instances.values(), *many_instances(20)]:
        facts = Facts(instance, seen.sample(instance.name), seen.sparks.get(instance.name), T0)
        for column in COLUMNS[1:]:
            assert len(instance_cell(column.field, facts).text) <= column.width, column.field
    sums = (1e3, 1e15, 1e9, 1e9, 1e9)
    for column in COLUMNS:
        cell = sum_cell(column.field, sums)
        assert cell is None or len(cell.text) <= column.width


def test_longest_name_counts_the_indent() -> None:
    seen = view()
    assert longest_name(seen.instances.values()) == len("report:monthly") + 2
    assert longest_name([]) == 0


def test_a_spark_moves_a_bin_at_a_time() -> None:
    spark = Spark()
    for second in range(60):
        spark.add(1200.0 + second, 10.0, 1.0)
    assert spark.lines == [10.0] * BINS
    spark.add(1260.0, 0.0, 0.0)
    assert spark.lines == [10.0] * (BINS - 1) + [0.0]
    spark.add(2260.0, 4.0, 0.0)
    assert spark.lines == [0.0] * (BINS - 1) + [4.0]
