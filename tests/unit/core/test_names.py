import pytest

from engine.core.errors import Refused
from engine.core.names import (
    RESERVED_SERVICES,
    domain_name,
    instance_name,
    is_label,
    split_instance,
)


@pytest.mark.parametrize("text", ["a", "A9", "a-b", "a_b", "0", "x" * 63, "a--b"])
def test_labels(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-a",
        "a-",
        "_a",
        "a_",
        "x" * 64,
        "a.b",
        "a/b",
        "..",
        "a b",
        "a\n",
        "a\0",
        "ä",
        "٣",
        "a:b",
    ],
)
def test_not_labels(text: str) -> None:
    assert not is_label(text)


def test_split_at_the_first_colon() -> None:
    assert split_instance("api:prod") == ("api", "prod")
    assert instance_name("api", "prod") == "api:prod"


@pytest.mark.parametrize("text", ["", "api", "api:", ":prod", "api:a:b", "api:../x", "a/b:c"])
def test_what_is_no_instance_is_refused_in_the_peers_words(text: str) -> None:
    with pytest.raises(Refused) as caught:
        split_instance(text)
    assert str(caught.value) == (
        f"Invalid instance format '{text}'. Use 'process:id' (e.g., api:prod)"
    )


def test_reserved_names_are_labels() -> None:
    assert all(is_label(name) for name in RESERVED_SERVICES)


@pytest.mark.parametrize("text", ["localhost", "a.b-c.example", "10.0.0.5", "x" * 63 + ".de"])
def test_domains(text: str) -> None:
    assert domain_name(text) == text


def test_a_domain_is_compared_in_small_letters_without_its_last_dot() -> None:
    assert domain_name("Notes.Example.COM.") == "notes.example.com"


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "-a.de", "a-.de", "a_b.de", "a b", "a/b", "a:80", "ä.de", "x" * 64, "*.de"],
)
def test_not_domains(text: str) -> None:
    with pytest.raises(ValueError, match="not a domain"):
        domain_name(text)


def test_a_domain_is_not_too_long() -> None:
    with pytest.raises(ValueError, match="not a domain"):
        domain_name(".".join(["x" * 49] * 6))
