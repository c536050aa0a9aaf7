"""Every key and value of any TOML text is found where it stands; no text breaks the reader."""

import math
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from engine.core.config import describe_error, parse_config
from engine.core.errors import SpecError
from engine.core.toml_places import Path, Place, Places
from ten_tui.cli.scaffold import toml_string

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)
KEYS = st.one_of(st.sampled_from(["a", "b", "c-1", "_", "1", "", "a b", 'q"', "x'y", "[k]"]), TEXT)
SCALARS = st.one_of(st.integers(-(10**6), 10**6), st.booleans(), TEXT)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=5)

Pick = Callable[[list[Any]], Any]


class Writer:
    """Writes a table in any of the ways TOML has for it."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.lines: list[str] = []

    def table(self, content: dict[str, Any], path: tuple[str, ...]) -> None:
        later: list[tuple[str, Any]] = []
        for key, value in content.items():
            is_tables = (
                isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            )
            if (isinstance(value, dict) or is_tables) and self.pick([True, False]):
                later.append((key, value))
            else:
                self.pairs((key,), value)
        for key, value in later:
            name = self.pick([".", " . "]).join(self.key(part) for part in (*path, key))
            for each in [value] if isinstance(value, dict) else value:
                brackets = "[]" if isinstance(value, dict) else ("[[", "]]")
                self.line(f"{brackets[0]}{name}{brackets[1]}")
                self.table(each, (*path, key))

    def pairs(self, path: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict) and value and self.pick([True, False]):
            for key, inner in value.items():
                self.pairs((*path, key), inner)
            return
        name = ".".join(self.key(part) for part in path)
        self.line(f"{name}{self.pick(['=', ' = '])}{self.value(value, is_inline=False)}")

    def line(self, text: str) -> None:
        self.lines.append(self.pick(["", "  ", "\t"]) + text + self.pick(["", " # [c] = 1", "\n"]))

    def key(self, text: str) -> str:
        ways = [toml_string(text)]
        if text and text.isascii() and text.replace("-", "").replace("_", "").isalnum():
            ways.append(text)
        if "'" not in text and text.isprintable():
            ways.append(f"'{text}'")
        return self.pick(ways)

    def value(self, value: Any, *, is_inline: bool) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int):
            return self.pick([str(value), f"{value:_}"])
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, list):
            gap = "" if is_inline else self.pick(["", " ", "\n  ", " # ]\n"])
            inner = [gap + self.value(each, is_inline=is_inline) for each in value]
            comma = self.pick([gap + ",", ","]) if value else ""
            return "[" + ",".join(inner) + comma + gap + "]"
        inner = [
            f" {self.key(key)} = {self.value(each, is_inline=True)}" for key, each in value.items()
        ]
        return "{" + ",".join(inner) + self.pick(["", " "]) + "}"

    def string(self, text: str) -> str:
        ways = [toml_string(text), '"""' + toml_string(text)[1:-1] + '"""']
        if text.isprintable() and "'" not in text:
            ways.append(f"'{text}'")
        is_plain = all(char.isprintable() or char == "\n" for char in text)
        if is_plain and "'''" not in text and not text.startswith("\n"):
            ways.append(f"'''\n{text}'''" if not text.endswith("'") else toml_string(text))
        return self.pick(ways)


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, (*path, index))


def rest(text: str, place: Place) -> str:
    """Give the text from a place on."""
    lines = text.split("\n")
    return "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])


def is_header(text: str, place: Place) -> bool:
    line = text.split("\n")[place.line - 1]
    return line[: place.column - 1].strip() == "" and line[place.column - 1] == "["


def check(text: str, data: dict[str, Any]) -> None:
    places = Places(text)
    for path, value in walk(data):
        place = places.key(path)
        found = rest(text, place)
        if isinstance(path[-1], str) and not is_header(text, place):
            # What stands there is a key whose first part is this one.
            name = found[: place.width]
            assert tomllib.loads(f"{name} = 1") == {path[-1]: 1}
        if isinstance(value, str | int):
            place = places.value(path)
            found = rest(text, place)
            assert value_at(found, value), (path, value, found)


def value_at(text: str, value: Any) -> bool:
    """Tell whether a text begins with that value."""
    for end in range(1, len(text) + 1):
        try:
            if tomllib.loads(f"x = {text[:end]}")["x"] == value:
                return True
        except tomllib.TOMLDecodeError:
            continue
    return False


@given(TABLES, st.data())
def test_everything_is_found_where_it_stands(data: dict[str, Any], choose: st.DataObject) -> None:
    writer = Writer(lambda ways: choose.draw(st.sampled_from(ways)))
    writer.table(data, ())
    text = "\n".join(writer.lines)
    assert tomllib.loads(text) == data
    check(text, data)


@given(TABLES)
def test_everything_is_found_in_what_tomlkit_writes(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    check(text, tomllib.loads(text))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_its_place(text: str) -> None:
    read_or_refuse(text)


@given(
    st.lists(
        st.sampled_from(
            [
                *("[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", '"', "'", '"""', "'''", "\\"),
                *("\n", " ", "a", "service", "api", "command", "settings", "1", "-1", "true"),
            ]
        ),
        max_size=25,
    )
)
def test_any_heap_of_tokens_is_read_or_refused_in_its_place(tokens: list[str]) -> None:
    read_or_refuse("".join(tokens))


def read_or_refuse(text: str) -> None:
    error = refusal(text)
    if error is not None:
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert error.excerpt == lines[error.line - 1]
        assert describe_error(error).startswith("Failed to parse config file: /srv/tenement.toml")


def refusal(text: str) -> SpecError | None:
    try:
        parse_config(text, path="/srv/tenement.toml")
    except SpecError as error:
        return error
    return None


GOOD = """\
[settings]
max_restarts = 3

[service.api]
command = "./app"
env = { A = "1", B = "2" }
args = [
  "a", # first
  "b",
]

[service.web]
command = "./web"
idle_timeout = 1

[instances]
api = ["x"]

[console]
protect = false
"""

BAD = st.one_of(st.dates(), st.just(math.inf), st.just([[]]), st.just({"x": {}}))
"""Of no type that any key takes."""


@given(st.data())
def test_a_wrong_value_anywhere_is_reported_on_its_line(choose: st.DataObject) -> None:
    document = tomlkit.parse(GOOD)
    leaves = [path for path, value in walk(tomllib.loads(GOOD)) if isinstance(value, str | int)]
    path = choose.draw(st.sampled_from(leaves))
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    bad = choose.draw(BAD)
    holder[path[-1]] = tomlkit.item(bad) if not isinstance(bad, dict) else inline(bad)
    text = tomlkit.dumps(document)
    with pytest.raises(SpecError) as caught:
        parse_config(text, path="/t")
    error = caught.value
    # tomlkit keeps lines apart from the one that was changed, so the line is the same.
    before, after = GOOD.split("\n"), text.split("\n")
    changed = [n for n, line in enumerate(after, 1) if line != before[n - 1]]
    assert [error.line] == changed
    assert error.key.startswith(".".join(str(part) for part in path[:2]))


def inline(content: dict[str, Any]) -> Any:
    table = tomlkit.inline_table()
    table.update(content)
    return table
