"""What a log search looks for: literal text, text without regard to case, or a regex.

A query is asked twice. `first` scans raw bytes of many lines at once and says where a match may
be; it may be wrong by finding too much, never by finding too little. `accepts` then judges one
line. Lines are judged as they are shown, as text: UTF-8 with U+FFFD for what is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from engine.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATTERN_CHARACTERS = 1024
SEARCH_BYTES = 65_536
"""Of a line, a search sees that much from its start."""
BACKTRACK_HINT = "nested repeats such as (a+)+ take for ever on some lines: write it simpler"


class Data(Protocol):
    """Bytes of a segment: `bytes`, or a mapped file."""

    def find(self, sub: bytes, start: int, end: int, /) -> int:
        """Find a text in [start, end); -1 where there is none."""
        ...

    def rfind(self, sub: bytes, start: int, end: int, /) -> int:
        """Find a text's last occurrence in [start, end); -1 where there is none."""
        ...

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part."""
        ...


class Query(Protocol):
    """What to look for."""

    def first(self, data: Data, start: int, stop: int) -> int:
        """Give a byte in the first line of [start, stop) that may match; -1 where none may.

        Whole lines: `start` follows a newline and `stop` too, where they are within the data.
        """
        ...

    def accepts(self, text: bytes) -> bool:
        """Tell whether a line matches; `text` is its start, SEARCH_BYTES at most."""
        ...


class Literal:
    """Text as it stands."""

    def __init__(self, text: str) -> None:
        """Look for a text that is not empty."""
        self._needle = text.encode("utf-8", "surrogatepass")

    def first(self, data: Data, start: int, stop: int) -> int:
        """See Query."""
        return data.find(self._needle, start, stop)

    def accepts(self, text: bytes) -> bool:
        """See Query."""
        return self._needle in text


class Folded:
    """ASCII text in capitals or not."""

    def __init__(self, text: str) -> None:
        """Look for a text of ASCII letters and signs that is not empty."""
        self._needle = text.lower().encode()

    def first(self, data: Data, start: int, stop: int) -> int:
        """See Query."""
        place = data[start:stop].lower().find(self._needle)
        return place if place < 0 else start + place

    def accepts(self, text: bytes) -> bool:
        """See Query."""
        return self._needle in text.lower()


class Pattern:
    """A regex of the standard library's `re`.

    Its time is not bounded here: some patterns take exponential time on a short line, and `re`
    cannot be told to stop. `guard` runs each call of it, and may end it by an exception.
    """

    def __init__(
        self, pattern: re.Pattern[str], guard: Callable[[Callable[[], int]], int] | None = None
    ) -> None:
        """Take a compiled pattern; without MULTILINE it is judged line by line only."""
        self._pattern = pattern
        self._guard = guard or (lambda search: search())

    def first(self, data: Data, start: int, stop: int) -> int:
        """See Query."""
        if not self._pattern.flags & re.MULTILINE:
            return start if start < stop else -1
        raw = data[start:stop]
        text = raw.decode("utf-8", "replace")
        place = self._search(text)
        if place < 0:
            return -1
        if raw.isascii():
            return start + place
        # Broken UTF-8 has no way back from characters to bytes, but newlines stay what they are.
        position = start - 1
        for _ in range(text.count("\n", 0, place)):
            position = data.find(b"\n", position + 1, stop)
        return position + 1

    def accepts(self, text: bytes) -> bool:
        """See Query."""
        return self._search(text.decode("utf-8", "replace")) >= 0

    def _search(self, text: str) -> int:
        def search() -> int:
            found = self._pattern.search(text)
            return found.start() if found else -1

        return self._guard(search)


_NEEDS_ONE_LINE = re.compile(
    r"""\(\?(?:[=!>(]|<[=!])   # looks around, is atomic or conditional: sees the next line
    | \\[AZ]                   # the ends of the text
    | [*+?}]\+                 # possessive: takes the next line and does not give it back
    | \(\?[aiLmsux]+[):-]      # flags of its own
    """,
    re.VERBOSE,
)


def compile_query(
    text: str,
    *,
    is_regex: bool = False,
    is_case_sensitive: bool = True,
    guard: Callable[[Callable[[], int]], int] | None = None,
) -> Query:
    """Make a query.

    Args:
        text: What to look for; not empty.
        is_regex: Whether it is a regex.
        is_case_sensitive: Whether "Error" and "error" differ.
        guard: Runs every use of a regex; see Pattern.

    Raises:
        Refused: The regex is wrong or too long, or the text spans lines.
    """
    if "\n" in text:
        raise Refused("A search text is one line")
    if not is_regex and is_case_sensitive:
        return Literal(text)
    if not is_regex and text.isascii():
        return Folded(text)
    if len(text) > MAX_PATTERN_CHARACTERS:
        message = f"A pattern has at most {MAX_PATTERN_CHARACTERS} characters"
        raise Refused(message)
    pattern = text if is_regex else re.escape(text)
    flags = re.NOFLAG if is_case_sensitive else re.IGNORECASE
    if not _NEEDS_ONE_LINE.search(pattern):
        flags |= re.MULTILINE
    try:
        return Pattern(re.compile(pattern, flags), guard)
    except (re.error, RecursionError, OverflowError) as error:
        message = f"Not a regex: {error}"
        raise Refused(message) from error
