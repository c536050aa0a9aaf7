import pytest

from engine.core.errors import SpecError
from engine.core.toml_text import dotted, load_toml


def refused(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_toml(text, "/x/tenement.toml")
    return caught.value


def test_reads_what_tomllib_reads() -> None:
    assert load_toml("a.b = [1]\n", "") == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("text", "message", "key", "line", "column"),
    [
        (
            "[service.api\n",
            "Expected ']' at the end of a table declaration",
            "service.api",
            1,
            13,
        ),
        ("[a]\nx = \n", "Invalid value", "a.x", 2, 5),
        ("[a] # c\nx = 1\nx = 2\n", "Cannot overwrite a value", "a.x", 3, 6),
        ("[a.b]\nx = 1\n[a.b]\n", "Cannot declare a.b twice", "a.b", 3, 5),
        ("[a]\n[a]", "Cannot declare a twice", "a", 2, 3),
        ("a = {}\na.b = 1\n", "Cannot mutate immutable namespace a", "a", 2, 8),
        ("[a]\nx = 'y", 'Expected "\'" (the file ends here)', "a.x", 2, 7),
        ('\nx = """y\n\n', "Unterminated string (the file ends here)", "", 4, 1),
        ("a = 1\n\nb c\n", "Expected '=' after a key in a key/value pair", "", 3, 3),
        ('a = "\x01"\n', "Illegal character '\\x01'", "a", 1, 6),
        ("? = 1\n", "Invalid statement", "", 1, 1),
        ("a = 1\nb = " + "9" * 5000, "a number has too many digits", "b", 2, 5),
        (
            "a = 1\nb = " + "[" * 5000,
            "arrays or tables are nested too deeply",
            "b",
            2,
            105,
        ),
        ("b = " + '["]", ' * 5000, "arrays or tables are nested too deeply", "b", 1, 30_001),
        ("a = 1\nb = " + "[\n" * 5000, "arrays or tables are nested too deeply", "", 102, 1),
    ],
    ids=lambda value: str(value)[:30],
)
def test_errors_name_their_place(text: str, message: str, key: str, line: int, column: int) -> None:
    error = refused(text)
    assert (str(error), error.line, error.column) == (message, line, column)
    assert error.key == key
    assert error.excerpt == (text.split("\n"))[line - 1]


def test_paths_in_words() -> None:
    assert dotted(("a", "b-c", 2, "d e", "ä")) == "a.b-c[2].'d e'.'ä'"
    assert dotted(()) == ""
