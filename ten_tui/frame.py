"""What the terminal shows, cell by cell, and the shortest way from there to what it should show.

Textual repaints the regions that widgets declare dirty, with full colour codes in every piece.
This keeps two grids, wanted and shown, and writes only the cells in which they differ, with only
the colours that change; rows that moved up or down are moved by the terminal itself. Frames that
were never written cost nothing: the next one is compared with what is really there.

Nothing but printable characters passes: this is the last guard before the terminal.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.color import ColorSystem
    from rich.segment import Segment
    from rich.style import Style

_JOIN = 5
"""Unchanged cells between two changes that are cheaper to write again than to jump over."""

_SCROLL_ROWS = 4
"""Rows that must be saved for a scroll of the terminal to be worth its codes."""

_UNKNOWN = -1
_Row = TypeVar("_Row")


class Frame:
    """Two grids of cells and the differences between them.

    Rows are lists of one string a cell ("" behind a wide character) and of one style number a
    cell. Work and memory are linear in the cells touched.
    """

    def __init__(self, color_system: ColorSystem | None, *, can_erase: bool = True) -> None:
        """Begin with nothing known.

        Args:
            color_system: What colours the terminal has, None for none.
            can_erase: The terminal fills erased cells with the background colour in force.
        """
        self._color_system = color_system
        self._can_erase = can_erase
        self._style_ids: dict[Style | None, int] = {}
        self._codes: list[tuple[str, str, str]] = []
        self.width = self.height = 0
        self._want: list[list[str]] = []
        self._want_styles: list[list[int]] = []
        self._shown: list[list[str]] = []
        self._shown_styles: list[list[int]] = []
        self._dirty: set[int] = set()

    def resize(self, width: int, height: int) -> None:
        """Take the terminal's size; all of it is to be written anew."""
        self.width, self.height = width, height
        blank = self._style_id(None)
        self._want = [[" "] * width for _ in range(height)]
        self._want_styles = [[blank] * width for _ in range(height)]
        self.invalidate()

    def invalidate(self) -> None:
        """Forget what the terminal shows."""
        self._shown = [["\0"] * self.width for _ in range(self.height)]
        self._shown_styles = [[_UNKNOWN] * self.width for _ in range(self.height)]
        self._dirty = set(range(self.height))

    def put(self, x: int, y: int, segments: Iterable[Segment]) -> None:
        """Set the cells of a row from a column on; what is beyond the edges is dropped."""
        if not 0 <= y < self.height:
            return
        cells, styles = self._want[y], self._want_styles[y]
        for text, style, control in segments:
            if control or x >= self.width:
                continue
            pieces = list(text) if text.isascii() and text.isprintable() else _cells(text)
            end = min(self.width, x + len(pieces))
            if cells[x] == "" and x:
                cells[x - 1] = " "
            if end < self.width and cells[end] == "":
                cells[end] = " "
            cells[x:end] = pieces[: end - x]
            styles[x:end] = [self._style_id(style)] * (end - x)
            x = end
        self._dirty.add(y)

    @property
    def is_dirty(self) -> bool:
        """Whether a row was touched since the last flush."""
        return bool(self._dirty)

    def flush(self) -> str:
        """Give the codes that make the terminal show what is wanted."""
        rows = [y for y in sorted(self._dirty) if self._differs(y)]
        self._dirty.clear()
        if not rows:
            return ""
        out = _Writer(self._codes)
        if len(rows) > _SCROLL_ROWS:
            rows = sorted({*rows, *self._scroll(rows, out)})
        for y in rows:
            if self._differs(y):
                self._write_row(y, out)
                self._shown[y] = list(self._want[y])
                self._shown_styles[y] = list(self._want_styles[y])
        return "".join(out.parts)

    def _differs(self, y: int) -> bool:
        return self._want[y] != self._shown[y] or self._want_styles[y] != self._shown_styles[y]

    def _style_id(self, style: Style | None) -> int:
        number = self._style_ids.get(style)
        if number is None:
            number = self._style_ids[style] = len(self._codes)
            self._codes.append(_style_codes(style, self._color_system))
        return number

    def _write_row(self, y: int, out: _Writer) -> None:
        want, styles = self._want[y], self._want_styles[y]
        shown, shown_styles = self._shown[y], self._shown_styles[y]
        changed = [
            x
            for x, (new, old, style, was) in enumerate(
                zip(want, shown, styles, shown_styles, strict=True)
            )
            if style != was or new != old
        ]
        if not changed:
            return
        # A wide character covers two cells, and half of one cannot be written.
        has_wide = "" in want or "" in shown
        runs = [(0, self.width)] if has_wide else _runs(changed)
        erase_from = self._erasable(y) if runs[-1][1] == self.width else self.width
        for start, end in runs:
            self._write_run(y, start, min(end, erase_from), out)
        if erase_from < self.width:
            # Not the last run's start: runs before it may lie in the erased tail as well.
            first = next(start for start, end in runs if end > erase_from)
            out.move(max(erase_from, first), y)
            out.style(styles[-1])
            out.raw("\x1b[K")

    def _write_run(self, y: int, start: int, end: int, out: _Writer) -> None:
        if start >= end:
            return
        want, styles = self._want[y], self._want_styles[y]
        out.move(start, y)
        x = start
        while x < end:
            style = styles[x]
            stop = x + 1
            while stop < end and (
                styles[stop] == style or (want[stop] == " " and self._is_blank(styles[stop], style))
            ):
                stop += 1
            out.style(style)
            out.text("".join(want[x:stop]), stop, y)
            x = stop

    def _is_blank(self, number: int, pen: int) -> bool:
        """Tell whether a blank of one style looks the same drawn with the pen of another."""
        attributes, _, ground = self._codes[number]
        pen_attributes, _, pen_ground = self._codes[pen]
        plain = {"", "1"}
        return ground == pen_ground and attributes in plain and pen_attributes in plain

    def _erasable(self, y: int) -> int:
        """Find where the row's blank tail begins, if it is long enough to be erased instead."""
        want, styles = self._want[y], self._want_styles[y]
        style = styles[-1]
        if not self._can_erase or self._codes[style][0]:
            return self.width
        x = self.width
        while x and want[x - 1] == " " and styles[x - 1] == style:
            x -= 1
        return x if self.width - x > 4 else self.width

    def _scroll(self, rows: list[int], out: _Writer) -> range:
        """Let the terminal move rows that only changed their place; give the rows it touched."""
        found = self._find_scroll(rows)
        if found is None:
            return range(0)
        first, last, shift = found
        top, bottom = (first, last + shift) if shift > 0 else (first + shift, last)
        out.raw(f"\x1b[{top + 1};{bottom + 1}r")
        out.lost()
        out.move(0, top)
        out.raw(f"\x1b[{abs(shift)}{'M' if shift > 0 else 'L'}\x1b[r")
        out.lost()
        touched = slice(top, bottom + 1)
        unknown = [["\0"] * self.width for _ in range(abs(shift))]
        unstyled = [[_UNKNOWN] * self.width for _ in range(abs(shift))]
        self._shown[touched] = _moved(self._shown[touched], unknown, shift)
        self._shown_styles[touched] = _moved(self._shown_styles[touched], unstyled, shift)
        return range(top, bottom + 1)

    def _find_scroll(self, rows: list[int]) -> tuple[int, int, int] | None:
        """Find the longest stretch of rows that stand where others stood: (first, last, shift)."""
        places = {_key(self._shown[y], self._shown_styles[y]): y for y in reversed(rows)}
        shifts: dict[int, int] = {}
        for y in rows:
            old = places.get(_key(self._want[y], self._want_styles[y]))
            if old is not None and old != y:
                shifts[y] = old - y
        if len(shifts) < _SCROLL_ROWS:
            return None
        shift = Counter(shifts.values()).most_common(1)[0][0]
        first, last = _longest([y for y in rows if shifts.get(y) == shift])
        return (first, last, shift) if last - first + 1 >= _SCROLL_ROWS else None


def _moved(rows: list[_Row], fill: list[_Row], shift: int) -> list[_Row]:
    """Move rows up by a positive shift, down by a negative one."""
    return rows[shift:] + fill if shift > 0 else fill + rows[:shift]


def _longest(numbers: list[int]) -> tuple[int, int]:
    """Find the longest stretch of consecutive numbers, first and last."""
    best = start = last = numbers[0]
    end = best
    for number in numbers[1:]:
        if number != last + 1:
            start = number
        last = number
        if last - start > end - best:
            best, end = start, last
    return best, end


class _Writer:
    """Codes being put together, with what the terminal's cursor and pen are by then."""

    def __init__(self, codes: list[tuple[str, str, str]]) -> None:
        self.parts: list[str] = []
        self._codes = codes
        self._x = self._y = _UNKNOWN
        self._style = _UNKNOWN

    def raw(self, code: str) -> None:
        """Add a code that moves nothing."""
        self.parts.append(code)

    def lost(self) -> None:
        """Forget where the cursor is."""
        self._x = self._y = _UNKNOWN

    def move(self, x: int, y: int) -> None:
        """Go to a cell."""
        if (x, y) == (self._x, self._y):
            return
        if y == self._y and x > self._x:
            step = x - self._x
            self.parts.append(f"\x1b[{step}C" if step > 1 else "\x1b[C")
        else:
            self.parts.append(f"\x1b[{y + 1};{x + 1}H")
        self._x, self._y = x, y

    def style(self, number: int) -> None:
        """Take a pen, changing only what differs from the one in hand."""
        if number == self._style:
            return
        attributes, ink, ground = self._codes[number]
        if self._style == _UNKNOWN or self._codes[self._style][0] != attributes:
            wanted = ["0", attributes, ink, ground]
        else:
            _, old_ink, old_ground = self._codes[self._style]
            wanted = [
                (ink or "39") if ink != old_ink else "",
                (ground or "49") if ground != old_ground else "",
            ]
        self._style = number
        code = ";".join(part for part in wanted if part)
        if code:
            self.parts.append(f"\x1b[{code}m")

    def text(self, text: str, x_after: int, y: int) -> None:
        """Write text; the cursor is lost where terminals differ about its width."""
        self.parts.append(text)
        if text.isascii() or all(map(_has_sure_width, text)):
            self._x, self._y = x_after, y
        else:
            self.lost()


def _has_sure_width(char: str) -> bool:
    code = ord(char)
    return code < 0x300 or 0x2010 <= code < 0x2C00


def _runs(changed: list[int]) -> list[tuple[int, int]]:
    """Join changed cells that lie close together into stretches (start, end)."""
    runs = []
    start = last = changed[0]
    for x in changed:
        if x - last > _JOIN:
            runs.append((start, last + 1))
            start = x
        last = x
    runs.append((start, last + 1))
    return runs


def _cells(text: str) -> list[str]:
    """Split text into cells: combining characters join the one before, wide ones take two."""
    cells: list[str] = []
    for char in text:
        if not char.isprintable():
            cells.append("\N{REPLACEMENT CHARACTER}")
            continue
        width = cell_len(char)
        if width == 0:
            if cells:
                cells[-1 if cells[-1] else -2] += char
        else:
            cells.append(char)
            if width == 2:
                cells.append("")
    return cells


def _key(cells: list[str], styles: list[int]) -> int:
    return hash((tuple(cells), tuple(styles)))


_ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("reverse", "7"),
    ("strike", "9"),
)


def _style_codes(style: Style | None, system: ColorSystem | None) -> tuple[str, str, str]:
    """Give the SGR codes of a style: attributes, ink, ground; "" is the terminal's own."""
    if style is None:
        return "", "", ""
    attributes = ";".join(code for name, code in _ATTRIBUTES if getattr(style, name))
    if system is None:
        return attributes, "", ""
    ink = (
        ""
        if style.color is None or style.color.is_default
        else ";".join(style.color.downgrade(system).get_ansi_codes(foreground=True))
    )
    ground = (
        ""
        if style.bgcolor is None or style.bgcolor.is_default
        else ";".join(style.bgcolor.downgrade(system).get_ansi_codes(foreground=False))
    )
    return attributes, ink, ground
