"""What becomes of the characters that steer a terminal."""

import time
import unicodedata

import pytest

from engine.core.sanitize import MARK, sanitize

ESC = "\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, as it is", "plain text, as it is"),
        ("grüße 漢字 🙂", "grüße 漢字 🙂"),
        (f"{ESC}[31mred{ESC}[0m and {ESC}[1;38;5;200mbold{ESC}[m", "red and bold"),
        (f"a{ESC}[2J{ESC}[Hb", "ab"),
        (f"{ESC}[?25l{ESC}[6 qhidden cursor", "hidden cursor"),
        ("\x9b31mC1 introducer", "C1 introducer"),
        (f"{ESC}]0;title\x07shown", "shown"),
        (f"{ESC}]8;;http://x{ESC}\\link{ESC}]8;;{ESC}\\", "link"),
        (f"{ESC}]52;c;aGk=\x9cshown", "shown"),
        (f"{ESC}Pq#0;2;0;0;0{ESC}\\shown", "shown"),
        ("\x90q\x9c\x9d0;t\x07shown", "shown"),
        (f"{ESC}]0;without an end", "0;without an end"),
        (f"{ESC}(B{ESC}7{ESC}=x{ESC}c", "x"),
        (f"cut off {ESC}[31", "cut off "),
        (f"cut off {ESC}", "cut off "),
        (f"{ESC}{ESC}[31mx", "x"),
        ("a\tb\tc", "a       b       c"),
        ("10%\r20%\r", "10%␍20%"),
        (f"done{ESC}[0m\r", "done"),
        ("nul\0 bell\a back\b del\x7f", "nul␀ bell␇ back␈ del␡"),
        ("two\nlines", "two␊lines"),
        ("\x85next line", MARK + "next line"),
        ("user\u202egnp.exe", f"user{MARK}gnp.exe"),
        ("\u2066isolate\u2069", f"{MARK}isolate{MARK}"),
        ("zero\u200bwidth\ufeff", f"zero{MARK}width{MARK}"),
        ("para\u2029graph", f"para{MARK}graph"),
        ("heart \u2764\ufe0f", "heart \u2764"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\U0001f469"),
        ("tag \U000e0041", f"tag {MARK}"),
        ("half \ud800", f"half {MARK}"),
    ],
)
def test_text_is_shown_as(text: str, shown: str) -> None:
    assert sanitize(text) == shown
    assert sanitize(shown) == shown


def test_tabs_may_stay_or_be_narrower() -> None:
    assert sanitize("a\tb", tab=0) == "a\tb"
    assert sanitize("a\tb", tab=4) == "a   b"


def test_no_character_of_a_steering_category_survives() -> None:
    steering = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    every = "".join(map(chr, range(0x110000)))
    assert {c for c in sanitize(every) if unicodedata.category(c) in steering} == set()


@pytest.mark.parametrize(
    "piece",
    [
        "\x1b]",
        "\x9d",
        "\x1b[",
        "\x1b[1;",
        "\x1b]a",
        "\x1b",
        "\x90\x1b",
        "\x1bP;\x1b\\",
        "\0",
        "é\t",
    ],
)
def test_ten_megabytes_of_anything_take_linear_time(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    began = time.process_time()
    assert sanitize(text, tab=1).isprintable()
    assert time.process_time() - began < 10


def test_an_unended_sequence_of_ten_megabytes() -> None:
    body = "x" * 10_000_000
    assert sanitize("\x1b]" + body) == body
    assert sanitize("\x1b[" + "1" * 10_000_000) == ""
