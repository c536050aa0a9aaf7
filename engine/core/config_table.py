"""One table of the configuration file, read key by key with every error in its place.

Which keys a table knows is what was asked of it: `finish` reports the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from engine.core.errors import SpecError
from engine.core.nearest import did_you_mean
from engine.core.toml_places import Path, Place, Places
from engine.core.toml_text import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

U16 = ("a whole number from 0 to 65535", 2**16 - 1)
U32 = ("a whole number from 0 to 4294967295", 2**32 - 1)
U64 = ("a whole number from 0 to 9223372036854775807", 2**63 - 1)
"""A TOML integer has 64 bits with a sign."""

MAX_WARNINGS = 100
"""More are only counted: a file that is no configuration at all must not flood the events."""

_SHOWN = 60
"""So much of a wrong value is shown in the error."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters and everything that ends a line."""


class Source:
    """The text of one file, and what is to be said about it.

    Attributes:
        path: As it is named in errors.
    """

    def __init__(self, text: str, path: str, *, is_strict: bool) -> None:
        """Take the text as `tomllib` has read it: with LF as the only end of a line."""
        self.path = path
        self._warnings: list[str] = []
        self._unlisted = 0
        self._text = text
        self._is_strict = is_strict
        self._places: Places | None = None

    def fail(
        self, message: str, path: Path, *, is_value: bool = True, key: str = "", hint: str = ""
    ) -> NoReturn:
        """Refuse the file because of a key or its value.

        Raises:
            SpecError: Always.
        """
        place = self._place(path, is_value=is_value)
        raise SpecError(
            message,
            path=self.path,
            key=key or dotted(path),
            line=place.line,
            column=place.column,
            width=place.width,
            excerpt=self.places.line(place.line),
            hint=hint,
        )

    def warn(self, message: str, path: Path, *, is_value: bool = False) -> None:
        """Note something that does not keep the file from being used."""
        if len(self._warnings) >= MAX_WARNINGS:
            self._unlisted += 1
            return
        self._warnings.append(f"line {self._place(path, is_value=is_value).line}: {message}")

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line each, in the order found."""
        more = (f"and {self._unlisted} more warnings",) if self._unlisted else ()
        return (*self._warnings, *more)

    def unknown(self, what: str, path: Path, known: Iterable[str]) -> None:
        """Report a key that nothing asked for; in a strict reading it refuses the file."""
        advice = did_you_mean(str(path[-1]), known)
        message = f"unknown {what} {short(dotted(path))}"
        if self._is_strict:
            self.fail(message, path, is_value=False, hint=advice)
        self.warn(f"{message}; {advice}" if advice else message, path)

    @property
    def places(self) -> Places:
        """Where everything stands; scanned only when something is to be said."""
        if self._places is None:
            self._places = Places(self._text)
        return self._places

    def _place(self, path: Path, *, is_value: bool) -> Place:
        return self.places.value(path) if is_value else self.places.key(path)


class Table:
    """A table of the file and the path that leads to it.

    Every reader gives its default where the key is absent, and raises SpecError where the value
    is of another type or out of its range.
    """

    def __init__(self, source: Source, content: dict[str, Any], path: Path = ()) -> None:
        """Begin with nothing asked."""
        self.source = source
        self.path = path
        self._content = content
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        """Tell whether the key is there; that does not count as asking for it."""
        return key in self._content

    def names(self) -> Iterator[str]:
        """Name the keys, in the file's order."""
        yield from self._content

    def text(self, key: str, default: str = "") -> str:
        """Read a string without NUL, which neither the kernel nor a file takes."""
        value = self._get(key, str, "a string")
        if value is None:
            return default
        if "\0" in value:
            self.fail(key, "a NUL character cannot be passed on")
        return str(value)

    def line(self, key: str, default: str = "") -> str:
        """Read a string that is one line: no control characters."""
        value = self.text(key, default)
        if _CONTROL.search(value):
            self.fail(key, "control characters and line ends are not allowed here")
        return value

    def required(self, key: str) -> str:
        """Read a string that must be there."""
        if key not in self._content:
            message = f"missing field `{key}`"
            named = dotted((*self.path, key))
            self.source.fail(message, self.path, is_value=False, key=named)
        return self.text(key)

    def flag(self, key: str, *, default: bool) -> bool:
        """Read a boolean."""
        value = self._get(key, bool, "a boolean")
        return default if value is None else bool(value)

    def count(
        self, key: str, default: int, kind: tuple[str, int] = U64, *, minimum: int = 0
    ) -> int:
        """Read a whole number of the peer's range."""
        value = self._get(key, int, kind[0])
        if value is None:
            return default
        if not 0 <= value <= kind[1]:
            self.fail(key, f"invalid value: integer `{short(value)}`, expected {kind[0]}")
        if value < minimum:
            self.fail(key, f"invalid value: {value}, expected {minimum} or more")
        return int(value)

    def seconds(self, key: str, default: float, maximum: float) -> float:
        """Read a time that may have a fraction."""
        value = self._get(key, (int, float), "a number of seconds")
        if value is None:
            return default
        if not 0 <= value <= maximum:  # refuses nan, too
            self.fail(key, f"invalid value: {short(value)}, expected 0 to {maximum:g} seconds")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Read an array of strings; None where there is none."""
        values = self._get(key, list, "an array of strings")
        if values is None:
            return None
        return tuple(
            self._item((*self.path, key, index), value) for index, value in enumerate(values)
        )

    def text_table(self, key: str) -> dict[str, str]:
        """Read a table of strings; empty where there is none."""
        values = self._get(key, dict, "a table of strings")
        return {
            name: self._item((*self.path, key, name), value)
            for name, value in (values or {}).items()
        }

    def table(self, key: str) -> Table:
        """Enter a table; an empty one where there is none."""
        content = self._get(key, dict, "a table")
        return Table(self.source, content or {}, (*self.path, key))

    def tables(self, key: str) -> list[Table]:
        """Enter the tables of an array; empty where there is none."""
        contents = self._get(key, list, "an array of tables") or []
        for index, content in enumerate(contents):
            self._check((*self.path, key, index), content, dict, "a table")
        return [
            Table(self.source, content, (*self.path, key, index))
            for index, content in enumerate(contents)
        ]

    def raw(self, key: str) -> object:
        """Give a value of whatever type TOML has for it; the caller says what is wrong with it."""
        self._asked.add(key)
        return self._content.get(key)

    def fail(self, key: str, message: str, *, hint: str = "") -> NoReturn:
        """Refuse the file because of a value of this table.

        Raises:
            SpecError: Always.
        """
        self.source.fail(message, (*self.path, key), hint=hint)

    def warn(self, key: str, message: str) -> None:
        """Note something about a key of this table."""
        self.source.warn(message, (*self.path, key))

    def ignore(self, key: str) -> None:
        """Take a key as known without reading it."""
        self._asked.add(key)

    def finish(self) -> None:
        """Report what nobody asked for."""
        for key, value in self._content.items():
            if key not in self._asked:
                what = "table" if isinstance(value, dict) else "key"
                self.source.unknown(what, (*self.path, key), self._asked)

    def _get(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:  # noqa: ANN401
        """Give the value as it is, once it is known to be of that type."""
        self._asked.add(key)
        value = self._content.get(key)
        if value is not None:
            self._check((*self.path, key), value, kind, expected)
        return value

    def _item(self, path: Path, value: Any) -> str:  # noqa: ANN401 - of any TOML type
        self._check(path, value, str, "a string")
        if "\0" in value:
            self.source.fail("a NUL character cannot be passed on", path)
        return str(value)

    def _check(
        self,
        path: Path,
        value: Any,  # noqa: ANN401 - of any TOML type
        kind: type | tuple[type, ...],
        expected: str,
    ) -> None:
        # A bool is an int to Python, not to TOML.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            message = f"invalid type: {describe(value)}, expected {expected}"
            self.source.fail(message, path)


def describe(value: object) -> str:
    """Name a TOML value and its type, as the peer's errors do."""
    match value:
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{short(value)}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f"string {short(value)!r}"
        case list():
            return "sequence"
        case dict():
            return "map"
        case _:
            return "datetime"


def short(value: object) -> str:
    """Write a value for an error: no control characters, and not too long."""
    if isinstance(value, int):
        text = hex(value) if value.bit_length() > 256 else str(value)
    else:
        text = _CONTROL.sub("\ufffd", str(value))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
