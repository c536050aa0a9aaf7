"""What a query finds in raw bytes, and in one line."""

import re

import pytest

from engine.core.errors import Refused
from engine.core.logquery import MAX_PATTERN_CHARACTERS, Pattern, Query, compile_query

LINES = b"first line\nERROR: \xc3\xa9t\xc3\xa9 400\nbroken \xff\xfe utf\nlast error 500\n"


def found(query: Query, data: bytes = LINES) -> list[bytes]:
    """Search as a reader does: scan, judge the line, go on after it."""
    lines, start = [], 0
    while (place := query.first(data, start, len(data))) >= 0:
        begin = data.rfind(b"\n", 0, place) + 1
        end = data.find(b"\n", place)
        if query.accepts(data[begin:end]):
            lines.append(data[begin:end])
        start = end + 1
    return lines


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("error", {}, [3]),
        ("error", {"is_case_sensitive": False}, [1, 3]),
        ("ERROR", {"is_case_sensitive": False}, [1, 3]),
        ("été", {}, [1]),
        ("ÉTÉ", {}, []),
        ("ÉTÉ", {"is_case_sensitive": False}, [1]),
        (".*", {}, []),
        (r"\d{3}", {"is_regex": True}, [1, 3]),
        (r"^\w+ \d+", {"is_regex": True}, []),
        (r"^last.*0$", {"is_regex": True}, [3]),
        (r"line$", {"is_regex": True}, [0]),
        (r"^.{14}$", {"is_regex": True}, [1, 3]),
        (r"ét. 4", {"is_regex": True}, [1]),
        (r"utf", {"is_regex": True}, [2]),
        ("broken \ufffd\ufffd utf", {"is_regex": True}, [2]),
        (r"\Alast", {"is_regex": True}, [3]),
        (r"500\Z", {"is_regex": True}, [3]),
        (r"(?<!t )error", {"is_regex": True}, []),
        (r"(?<=t )error", {"is_regex": True}, [3]),
        (r"^(?!.*\d)", {"is_regex": True}, [0, 2]),
        (r"line[^x]*ERROR", {"is_regex": True}, []),
        (r"line|[^x]*ERROR", {"is_regex": True}, [0, 1]),
        (r"error", {"is_regex": True, "is_case_sensitive": False}, [1, 3]),
        (r"(?i:error)", {"is_regex": True}, [1, 3]),
        (r"nothing", {"is_regex": True}, []),
    ],
)
def test_lines_are_found(text: str, options: dict[str, bool], expected: list[int]) -> None:
    lines = LINES.split(b"\n")
    assert found(compile_query(text, **options)) == [lines[number] for number in expected]


@pytest.mark.parametrize("pattern", [r"\d{3}", r"(?!x)\d{3}"])
def test_an_empty_region_has_no_match(pattern: str) -> None:
    assert compile_query(pattern, is_regex=True).first(LINES, 4, 4) == -1


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("(", {"is_regex": True}, "Not a regex"),
        ("a{99999999999}", {"is_regex": True}, "Not a regex"),
        ("two\nlines", {}, "one line"),
        ("x" * (MAX_PATTERN_CHARACTERS + 1), {"is_regex": True}, "at most"),
    ],
)
def test_what_cannot_be_searched_is_refused(text: str, options: dict[str, bool], says: str) -> None:
    with pytest.raises(Refused, match=says):
        compile_query(text, **options)


def test_a_guard_runs_every_use_of_a_pattern() -> None:
    used = []
    pattern = Pattern(re.compile("l"), lambda search: used.append(1) or search())
    assert pattern.accepts(b"all")
    assert not pattern.accepts(b"none")
    assert pattern.first(b"all", 0, 3) == 0
    assert len(used) == 2
