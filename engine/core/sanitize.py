"""Untrusted text made safe to draw: a terminal shows it, and does nothing else with it.

Escape sequences vanish whole, so that coloured output reads as plain text. Other characters that
steer (C0, DEL, C1), turn the reading order (bidi controls) or take no column though they are
there (format characters, line separators, fillers, tags) become a visible mark, so that nobody
hides anything with them. Joiners and variation selectors, which honest text has in emoji and in
some scripts, are left out: no two terminals agree on the columns of what they join.
"""

from __future__ import annotations

import re

MARK = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that is not shown; C0 and DEL have their control pictures instead."""

_ESCAPE = re.compile(
    r"""
    (?: \x1b\[ | \x9b ) [0-?]* [ -/]* [@-~]?      # CSI, also one that is cut off
  | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] )       # DCS, SOS, OSC, PM, APC up to their end:
    [^\x00-\x1f\x7f-\x9f]* (?: \x07 | \x1b\\ | \x9c )
  | \x1b[\]PX^_]                                   # without an end, just how they begin
  | \x1b [ -/]* [0-~]?                             # the shorter ones; ESC itself at the least
    """,
    re.VERBOSE,
)

_MARKED = (
    (0x80, 0x9F),  # C1
    (0x034F, 0x034F),  # grapheme joiner
    (0x0600, 0x0605),  # format characters of scripts, as all of category Cf
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x115F, 0x1160),  # fillers that are drawn as nothing
    (0x17B4, 0x17B5),
    (0x180E, 0x180E),
    (0x200B, 0x200B),  # zero width space
    (0x200E, 0x200F),  # bidi marks
    (0x2028, 0x202E),  # line separators, bidi embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidi isolates
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # surrogates: no output encoding takes them
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE00FF),  # tags
    (0xE01F0, 0xE0FFF),
)
_LEFT_OUT = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x180B, 0x180D),  # variation selectors, also below
    (0x180F, 0x180F),
    (0x200C, 0x200D),  # joiners
    (0xFE00, 0xFE0F),
    (0xE0100, 0xE01EF),
)
_TABLE: dict[int, str | None] = {
    **{code: MARK for low, high in _MARKED for code in range(low, high + 1)},
    **{code: None for low, high in _LEFT_OUT for code in range(low, high + 1)},
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) != "\t"},
    0x7F: "\N{SYMBOL FOR DELETE}",
}


def sanitize(text: str, tab: int = 8) -> str:
    """Make one line of untrusted text safe to draw. Idempotent; linear in the text.

    Args:
        text: The line. A carriage return at its end is left out, a newline in it is marked.
        tab: Columns from tab stop to tab stop, one column a character; 0 leaves tabs alone.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPE.sub("", text).rstrip("\r").translate(_TABLE)
    return text.expandtabs(tab) if tab > 0 else text
