"""`[service.NAME.scale]`."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.scale import Scale, Target

API = '[service.api]\ncommand = "./app"\n'
SCALE = "[service.api.scale]\n"


def read(text: str):
    return parse_config(API + text, path="/srv/app/tenement.toml")


def test_left_out_nothing_is_scaled():
    assert read("").services["api"].scale is None


def test_it_is_read_with_defaults():
    config = read(f"{SCALE}max = 4\ntarget_inflight = 10\n")
    expected = Scale(most=4, target=Target.INFLIGHT, amount=10)
    assert config.services["api"].scale == expected
    assert config.warnings == ()


def test_all_of_it_is_read():
    text = "min = 0\nmax = 9\ntarget_cpu = 70.5\nup_after = 1.5\ndown_after = 60\n"
    scale = read(SCALE + text).services["api"].scale
    assert scale == Scale(
        least=0,
        most=9,
        target=Target.CPU,
        amount=70.5,
        up_after_seconds=1.5,
        down_after_seconds=60,
    )
    assert scale.text == "0 to 9, 70.5 % of a core each"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("target_inflight = 1\n", "missing field `max`", 3),
        ("max = 4\n", "one of target_inflight, target_cpu, target_rps", 3),
        ("max = 0\ntarget_rps = 1\n", "invalid value: 0, expected 1 or more", 4),
        ('max = "4"\ntarget_rps = 1\n', "invalid type: string '4'", 4),
        ("max = 65\ntarget_rps = 1\n", "max = 65 is more than max_instances = 64", 4),
        ("min = 5\nmax = 4\ntarget_rps = 1\n", "min = 5 is more than max = 4", 4),
        ("min = -1\nmax = 4\ntarget_rps = 1\n", "invalid value: integer `-1`", 4),
        ("max = 4\ntarget_inflight = 0\n", "expected a number of requests in flight above 0", 5),
        ("max = 4\ntarget_cpu = '70%'\n", "expected a percentage of one core above 0", 5),
        ("max = 4\ntarget_rps = nan\n", "expected a number of requests a second above 0", 5),
        ("max = 4\ntarget_rps = true\n", "expected a number of requests a second", 5),
        ("max = 4\ntarget_cpu = 7\ntarget_rps = 3\n", "target_cpu and target_rps cannot both", 6),
        ("max = 4\ntarget_rps = 1\nup_after = -1\n", "expected 0 to 3600 seconds", 6),
        ("max = 4\ntarget_rps = 1\ndown_after = 3601\n", "expected 0 to 3600 seconds", 6),
        (
            "max = 1\ntarget_rps = 1\n[instances]\napi = ['a', 'b']\n",
            "max = 1 is less than the 2 ids that [instances] gives",
            4,
        ),
    ],
)
def test_wrong_ones_are_refused_in_their_place(text: str, message: str, line: int):
    with pytest.raises(SpecError) as caught:
        read(SCALE + text)
    assert message in str(caught.value)
    assert caught.value.line == line
    assert caught.value.key.startswith("service.api.scale")


def test_it_is_refused_where_a_table_is_expected():
    with pytest.raises(SpecError, match="expected a table"):
        read("scale = 3\n")


def test_sleep_and_a_least_number_contradict_each_other():
    text = f"idle_timeout = 60\n{SCALE}max = 4\ntarget_rps = 1\n"
    with pytest.raises(SpecError) as caught:
        read(text)
    assert "idle_timeout puts to sleep what scale.min = 1 keeps up" in str(caught.value)
    assert (caught.value.line, caught.value.hint.startswith("leave it out")) == (3, True)
    assert read(text + "min = 0\n").services["api"].idle_timeout_seconds == 60


def test_an_unknown_key_is_told_with_the_nearest():
    config = read(f"{SCALE}max = 4\ntarget_rps = 1\nupafter = 4\n")
    assert config.warnings == (
        "line 6: unknown key service.api.scale.upafter; did you mean up_after?",
    )
