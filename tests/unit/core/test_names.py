import pytest

from engine.core.errors import Refused
from engine.core.names import RESERVED_SERVICES, instance_name, is_label, split_instance


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
