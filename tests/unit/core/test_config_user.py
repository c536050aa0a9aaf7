"""Whom instances run as: what is read and what is refused."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError

API = '[service.api]\ncommand = "x"\nuser = {user}\n'


@pytest.mark.parametrize("user", ["auto", "engine", "www-data", "0", "1000", "_apt", "host$"])
def test_users(user: str) -> None:
    config = parse_config(API.format(user=f'"{user}"'), path="/t.toml")
    assert config.services["api"].user == user


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ('""', "cannot be the name of a user"),
        ('"-x"', "cannot be the name of a user"),
        ('"a b"', "cannot be the name of a user"),
        ('"a:b"', "cannot be the name of a user"),
        ('"4294967294"', "is no uid"),
        ('"99999999999999999999"', "is no uid"),
        ("1000", "expected a string"),
    ],
)
def test_what_cannot_be_a_user_is_refused_in_its_place(user: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse_config(API.format(user=user), path="/t.toml")
    assert (caught.value.line, caught.value.key) == (3, "service.api.user")


def test_range() -> None:
    config = parse_config('[settings]\nuser_range = "70000-70999"\n', path="/t.toml")
    assert config.settings.user_range == (70000, 70999)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no range"),
        ("5", "is no range"),
        ("a-b", "is no range"),
        ("5-5-5", "is no range"),
        ("0-99", "must go up"),
        ("9-3", "must go up"),
        ("70000-70000", "must go up"),
        ("70000-4294967295", "must go up"),
        ("60000-70000", "nobody's"),
    ],
)
def test_what_is_no_range_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse_config(f'[settings]\nuser_range = "{text}"\n', path="/t.toml")
    assert caught.value.line == 2
