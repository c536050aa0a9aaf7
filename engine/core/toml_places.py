"""Where the keys and values of a TOML text stand, which `tomllib` does not tell.

The text is one that `tomllib` accepts: grammar is not checked here, only followed. Lines are
ended by LF alone; whoever calls has turned CRLF into that, as `tomllib` does.

Source: TOML 1.0.0, toml.io.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

import msgspec

Path = tuple[str | int, ...]
"""Keys from the root; positions in arrays are numbers."""

_DEPTH = 40
"""Arrays nested deeper are passed over as one value: no setting is that deep."""

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


class Span(msgspec.Struct, frozen=True):
    """A piece of the text: offsets in characters, the end not included."""

    start: int
    end: int


class Place(msgspec.Struct, frozen=True):
    """Where something stands: 1-based line and column, and its length on that line."""

    line: int
    column: int
    width: int = 1


class Places:
    """Answers where a path of keys stands in a text."""

    def __init__(self, text: str) -> None:
        """Scan the text; takes time in proportion to its length."""
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        scan = _Scan(text)
        scan.document()
        self._keys, self._values = scan.keys, scan.values

    def key(self, path: Path) -> Place:
        """Find a key, or the header of a table; else what is nearest above it."""
        return self._find(path, self._keys, self._values)

    def value(self, path: Path) -> Place:
        """Find a value, or the header where it is a table with one; else what is above it."""
        return self._find(path, self._values, self._keys)

    def line(self, number: int) -> str:
        """Give a line of the text by its 1-based number; "" past the end."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self._text.find("\n", start)
        return self._text[start:] if end < 0 else self._text[start:end]

    def _find(self, path: Path, *spans: dict[Path, Span]) -> Place:
        for length in range(len(path), 0, -1):
            for known in spans:
                span = known.get(path[:length])
                if span is not None:
                    return self._place(span)
        return Place(1, 1)

    def _place(self, span: Span) -> Place:
        line = bisect_right(self._starts, span.start)
        column = span.start - self._starts[line - 1] + 1
        end = self._text.find("\n", span.start, span.end)
        width = (span.end if end < 0 else end) - span.start
        return Place(line, column, max(1, width))


class _Scan:
    """One walk over the text.

    Attributes:
        keys: Where each key stands; of a table with a header, the header.
        values: Where each value stands; tables with a header have none.
    """

    def __init__(self, text: str) -> None:
        self.keys: dict[Path, Span] = {}
        self.values: dict[Path, Span] = {}
        self._text = text
        self._at = 0
        self._lengths: dict[Path, int] = {}

    def document(self) -> None:
        """Walk to the end."""
        table: Path = ()
        self._blank()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table, 0)
            self._blank()

    def _header(self) -> Path:
        """Take `[a.b]` or `[[a.b]]`; give the path that its keys are under."""
        start = self._at
        brackets = 2 if self._text.startswith("[[", start) else 1
        self._at += brackets
        names = self._key_names()
        self._at += brackets
        path: Path = ()
        for name, _ in names[:-1]:
            path = self._enter((*path, name))
            self.keys.setdefault(path, Span(start, self._at))
        path = (*path, names[-1][0])
        self.keys[path] = Span(start, self._at)
        if brackets == 1:
            return path
        self._lengths[path] = self._lengths.get(path, -1) + 1
        path = self._enter(path)
        self.keys[path] = Span(start, self._at)
        return path

    def _enter(self, path: Path) -> Path:
        """Step into the last element where the path leads to an array of tables."""
        return (*path, self._lengths[path]) if path in self._lengths else path

    def _pair(self, table: Path, depth: int) -> None:
        """Take `a.b = value`."""
        path = table
        for name, span in self._key_names():
            path = (*path, name)
            self.keys.setdefault(path, span)
        self._at += 1
        self._skip(_SPACE)
        self._value(path, depth)

    def _key_names(self) -> list[tuple[str, Span]]:
        """Take a dotted key up to its `=` or `]`."""
        names = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                self._skip(_STRING)
                name = tomllib.loads(f"k = {self._text[start : self._at]}")["k"]
            else:
                self._skip(_BARE_KEY)
                name = self._text[start : self._at]
            names.append((name, Span(start, self._at)))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, path: Path, depth: int) -> None:
        start = self._at
        first = self._text[start]
        if first in "\"'":
            self._skip(_STRING)
        elif first in "[{" and depth >= _DEPTH:
            self._pass_over()
        elif first == "[":
            self._array(path, depth + 1)
        elif first == "{":
            self._inline_table(path, depth + 1)
        else:
            self._skip(_SCALAR)
            self._at = start + len(self._text[start : self._at].rstrip())
        self.values[path] = Span(start, self._at)

    def _array(self, path: Path, depth: int) -> None:
        self._at += 1
        self._blank()
        index = 0
        while self._text[self._at] != "]":
            self._value((*path, index), depth)
            index += 1
            self._blank()
            if self._text[self._at] == ",":
                self._at += 1
                self._blank()
        self._at += 1

    def _inline_table(self, path: Path, depth: int) -> None:
        self._at += 1
        self._skip(_SPACE)
        while self._text[self._at] != "}":
            self._pair(path, depth)
            self._skip(_SPACE)
            if self._text[self._at] == ",":
                self._at += 1
                self._skip(_SPACE)
        self._at += 1

    def _pass_over(self) -> None:
        """Skip a bracketed value without looking into it."""
        depth = 0
        while True:
            char = self._text[self._at]
            if char in "\"'":
                self._skip(_STRING)
                continue
            if char == "#":
                self._blank()
                continue
            depth += (char in "[{") - (char in "]}")
            self._at += 1
            if depth == 0:
                return

    def _blank(self) -> None:
        self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
