import tomllib

import pytest

from engine.core.toml_places import Path, Place, Places


def at(text: str, path: Path, *, is_value: bool = False) -> tuple[int, int, int]:
    tomllib.loads(text)
    places = Places(text)
    place = places.value(path) if is_value else places.key(path)
    return (place.line, place.column, place.width)


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1", ("a",), (1, 1, 1)),
        ("\n  a.b = 1", ("a", "b"), (2, 5, 1)),
        ("[a.b]\nc = 1", ("a", "b"), (1, 1, 5)),
        ("[a.b]\nc = 1", ("a",), (1, 1, 5)),
        ("[a.b]\n[a]\n", ("a",), (2, 1, 3)),
        ("[ a . 'b c' ]\nd=1", ("a", "b c", "d"), (2, 1, 1)),
        ("['a\"b']\n", ('a"b',), (1, 1, 7)),
        ('"\\u0061b" = 1', ("ab",), (1, 1, 9)),
        ("a = {b = {c = 1}}", ("a", "b", "c"), (1, 11, 1)),
        ("a = {}\nb = 1", ("b",), (2, 1, 1)),
        ("a = { }\nb = 1", ("b",), (2, 1, 1)),
        ("a = []\nb = 1", ("b",), (2, 1, 1)),
        ("a = [ # ]\n {b = 1},\n {b = 2}, ]\nc = 1", ("a", 1, "b"), (3, 3, 1)),
        ("a = [ # ]\n {b = 1},\n {b = 2}, ]\nc = 1", ("c",), (4, 1, 1)),
        ("[[a]]\nb=1\n[[a]]\nb=2", ("a", 1, "b"), (4, 1, 1)),
        ("[[a]]\n[[a.b]]\n[[a.b]]\nc=1", ("a", 0, "b", 1, "c"), (4, 1, 1)),
        ("[[a]]\n[a.b]\nc=1\n[[a]]\n[a.b]\nc=1", ("a", 1, "b", "c"), (6, 1, 1)),
        ("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\nc=1", ("a", 1, "b", 0, "c"), (5, 1, 1)),
        ('a = """\n[b]\nc = "1"\n"""\nb = 1', ("b",), (5, 1, 1)),
        ('a = """x""""\nb = 1', ("b",), (2, 1, 1)),
        ('a = """x\\""""""\nb = 1', ("b",), (2, 1, 1)),
        ("a = '''x''y'''''\nb = 1", ("b",), (2, 1, 1)),
        ("a = 'C:\\'\nb = 1", ("b",), (2, 1, 1)),
        ('a = "\\\\"\nb = 1', ("b",), (2, 1, 1)),
        ("a = 1 # [b]\nb = 1", ("b",), (2, 1, 1)),
        ("a = " + "[" * 60 + "'[', # [\n]" + "]" * 59 + "\nb = 1", ("b",), (3, 1, 1)),
        ("a = 1", ("nowhere", "x"), (1, 1, 1)),
        ("\n[a]\n", ("a", "missing"), (2, 1, 3)),
    ],
)
def test_keys(text: str, path: Path, place: tuple[int, int, int]) -> None:
    assert at(text, path) == place


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1", ("a",), (1, 5, 1)),
        ("a = 1_000 # c", ("a",), (1, 5, 5)),
        ("a = 1979-05-27 07:32:00 # c", ("a",), (1, 5, 19)),
        ("a = 'x' # c", ("a",), (1, 5, 3)),
        ("a = [1, 'b', 3]", ("a", 1), (1, 9, 3)),
        ("a = [1,\n 'b']", ("a",), (1, 5, 3)),
        ("a = {b = 'x', c.d = true}", ("a", "c", "d"), (1, 21, 4)),
        ("[a]\nb = 1", ("a",), (1, 1, 3)),
        ("a.b.c = 1", ("a",), (1, 1, 1)),
    ],
)
def test_values(text: str, path: Path, place: tuple[int, int, int]) -> None:
    assert at(text, path, is_value=True) == place


def test_lines() -> None:
    places = Places("a = 1\nb = 2")
    assert [places.line(n) for n in range(4)] == ["", "a = 1", "b = 2", ""]
    assert Place(3, 4) == Place(3, 4, 1)
