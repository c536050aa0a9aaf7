"""engine.core.rollout_plan, and the table of the configuration that holds one."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.rollout_plan import BadPlan, Plan, Strategy, with_values


def test_values_are_read_as_they_are_typed() -> None:
    said = {
        "strategy": "canary",
        "steps": "5, 50%,100",
        "pause": "90s",
        "window": "1.5h",
        "max_errors": "2%",
        "max_p95": "2x",
        "min_requests": "7",
    }
    assert with_values(Plan(), said) == Plan(
        strategy=Strategy.CANARY,
        steps=(5, 50, 100),
        pause_seconds=90,
        window_seconds=5400,
        max_errors=0.02,
        max_p95=2,
        min_requests=7,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strategy", "big-bang"),
        ("steps", "50,25,100"),
        ("steps", "5,25"),
        ("steps", "0,100"),
        ("steps", ""),
        ("steps", "5,,100"),
        ("steps", "5.5,100"),
        ("steps", "\u0665,100"),
        ("steps", ",".join(str(n) for n in range(1, 101))),
        ("pause", "-1s"),
        ("pause", "8d"),
        ("pause", True),
        ("pause", "1e3"),
        ("pause", "9" * 400),
        ("max_errors", "101%"),
        ("max_errors", "nan"),
        ("max_p95", "0.5x"),
        ("max_p95", "inf"),
        ("min_requests", "0"),
        ("min_requests", "1.5"),
        ("weight", "5"),
    ],
)
def test_what_is_none_is_refused_with_its_key(key: str, value: object) -> None:
    with pytest.raises(BadPlan) as caught:
        with_values(Plan(), {key: value})
    assert caught.value.key == key


def test_the_table_of_a_service() -> None:
    head = '[service.api]\ncommand = "x"\n[service.api.deploy]\n'
    text = head + 'strategy = "canary"\nsteps = [10, 100]\npause = 5\nmax_errors = 0.5\n'
    plan = parse_config(text, path="/t.toml").services["api"].deploy
    assert plan == Plan(strategy=Strategy.CANARY, steps=(10, 100), pause_seconds=5, max_errors=0.5)
    with pytest.raises(SpecError, match="rising") as caught:
        parse_config(head + "steps = [100, 5]\n", path="/t.toml")
    error = caught.value
    assert (error.key, error.line, error.column) == ("service.api.deploy.steps", 4, 9)
    config = parse_config(head + "step = [5, 100]\n", path="/t.toml")
    assert config.warnings == ("line 4: unknown key service.api.deploy.step; did you mean steps?",)
