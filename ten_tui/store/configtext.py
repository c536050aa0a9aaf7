"""The config pane's rows: the text in force, the diff, or the refused text with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.wire import ConfigView


@dataclass(frozen=True)
class ConfigRow:
    """One row.

    Attributes:
        number: Line number in the file, 0 for a row that is not of the file.
        is_error: The line the error is about.
    """

    text: str
    ink: Ink = Ink.TEXT
    number: int = 0
    is_error: bool = False


def config_rows(config: ConfigView, *, is_diff: bool) -> list[ConfigRow]:
    """Lay the pane out."""
    rows = [ConfigRow(f"▲ {text}", Ink.WARN) for text in config.warnings]
    if config.error:
        place = f"line {config.error_line}" if config.error_line else ""
        if config.error_line and config.error_column:
            place += f", column {config.error_column}"
        head = " · ".join(part for part in ("refused", place, config.error_key) if part)
        rows.append(ConfigRow(f"✖ {head}", Ink.BAD))
        rows.extend(ConfigRow(f"  {line}", Ink.BAD) for line in config.error.splitlines())
        rows.append(ConfigRow("  what was in force before goes on unchanged", Ink.DIM))
    elif config.restarted and is_diff:
        rows.append(ConfigRow(f"  restarted {', '.join(config.restarted)}", Ink.INFO))
    if rows:
        rows.append(ConfigRow(""))
    if is_diff:
        return rows + _diff_rows(config.diff)
    text = config.pending or config.text
    wrong = config.error_line if config.error else 0
    for number, line in enumerate(text.splitlines(), 1):
        rows.append(ConfigRow(line, _toml_ink(line), number, is_error=number == wrong))
        if number == wrong and config.error_column:
            rows.append(ConfigRow(" " * (config.error_column - 1) + "▲", Ink.BAD))
    return rows


def error_row(rows: list[ConfigRow]) -> int:
    """Find the row to look at first: the marked line, else the top."""
    return next((place for place, row in enumerate(rows) if row.is_error), 0)


def _diff_rows(diff: str) -> list[ConfigRow]:
    if not diff:
        return [ConfigRow("no change since the engine started", Ink.DIM)]
    inks = {"+": Ink.OK, "-": Ink.BAD, "@": Ink.ACCENT}
    rows = []
    for line in diff.splitlines():
        is_name = line.startswith(("+++", "---"))
        rows.append(ConfigRow(line, Ink.FAINT if is_name else inks.get(line[:1], Ink.DIM)))
    return rows


def _toml_ink(line: str) -> Ink:
    bare = line.lstrip()
    if bare.startswith("#"):
        return Ink.FAINT
    return Ink.ACCENT if bare.startswith("[") and "=" not in bare.split("#")[0] else Ink.TEXT
