"""How full a quota is, and when that is looked at again."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.spec import Config, StorageAction
from engine.core.storage import (
    CALM_SECONDS,
    MAX_SECONDS,
    WATCHFUL_SECONDS,
    StorageLevel,
    level_of,
    seconds_until_next,
    sentence,
)

FREE, NEAR, OVER = StorageLevel.FREE, StorageLevel.NEAR, StorageLevel.OVER
MIB = 2**20


@pytest.mark.parametrize(
    ("used", "before", "level"),
    [
        (0, FREE, FREE),
        (79, FREE, FREE),
        (80, FREE, NEAR),
        (100, FREE, NEAR),
        (101, FREE, OVER),
        (101, NEAR, OVER),
        (96, OVER, OVER),
        (95, OVER, NEAR),
        (77, NEAR, NEAR),
        (75, NEAR, FREE),
        (10, OVER, FREE),
    ],
)
def test_levels_are_left_later_than_they_are_entered(
    used: int, before: StorageLevel, level: StorageLevel
) -> None:
    assert level_of(used * MIB, 100 * MIB, before) is level


def test_without_a_quota_there_is_room() -> None:
    assert level_of(10**12, 0, OVER) is FREE


@pytest.mark.parametrize(
    ("walk", "is_running", "is_watchful", "seconds"),
    [
        (0.001, True, False, CALM_SECONDS),
        (0.001, True, True, WATCHFUL_SECONDS),
        (2.0, True, False, 100.0),
        (2.0, True, True, 40.0),
        (60.0, True, True, MAX_SECONDS),
        (0.001, False, True, MAX_SECONDS),
    ],
)
def test_dear_walks_are_seldom(
    walk: float, is_running: bool, is_watchful: bool, seconds: float
) -> None:
    found = seconds_until_next(walk, is_running=is_running, is_watchful=is_watchful)
    assert found == seconds


def test_in_words() -> None:
    quota = 10 * MIB
    assert sentence("a:b", 12 * MIB, quota, OVER) == (
        "a:b stores more than its quota: 12.0 of 10 MiB"
    )
    assert sentence("a:b", 9 * MIB, quota, NEAR) == "a:b stores 90% of its quota: 9.0 of 10 MiB"
    assert sentence("a:b", MIB, quota, FREE) == "a:b has room again: 1.0 of 10 MiB"
    assert sentence("a:b", MIB, 0, FREE) == "a:b has no quota any more"


API = '[service.api]\ncommand = "x"\n'


def read(text: str) -> Config:
    return parse_config(API + text, path="/t")


def test_the_action_is_read() -> None:
    assert read("").services["api"].storage_action is StorageAction.WARN
    config = read('storage_quota_mb = 1\nstorage_action = "readonly"\n')
    assert config.services["api"].storage_action is StorageAction.READONLY
    assert config.warnings == ()
    (warning,) = read('storage_action = "stop"\n').warnings
    assert warning == "line 3: storage_action has no effect without storage_quota_mb"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('storage_action = "delete"\n', "unknown variant `delete`"),
        ('isolation = "process"\nstorage_action = "readonly"\n', 'isolation = "process"'),
        ('isolation = "process"\nstorage_action = "hard"\n', 'isolation = "process"'),
        ('isolation = "sandbox"\nstorage_action = "readonly"\n', 'isolation = "sandbox"'),
    ],
)
def test_actions_that_cannot_be_had(text: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(text)
    assert reason in str(caught.value)
    assert caught.value.key == "service.api.storage_action"
