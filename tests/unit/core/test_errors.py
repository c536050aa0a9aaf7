import pytest

from engine.core.errors import (
    EngineUnreachable,
    FeatureMissing,
    LaunchFailed,
    NotFound,
    Refused,
    SpecError,
    TenError,
)


@pytest.mark.parametrize("kind", [EngineUnreachable, FeatureMissing, NotFound, Refused, TenError])
def test_every_error_says_what_to_do(kind: type[TenError]) -> None:
    error = kind("no", hint="yes")
    assert (str(error), error.hint) == ("no", "yes")
    assert isinstance(error, TenError)
    assert kind("no").hint == ""


def test_a_spec_error_knows_its_place() -> None:
    error = SpecError("no", path="/x", key="a.b", line=3, column=4, excerpt="b = 1", hint="yes")
    assert (error.path, error.key, error.line, error.column) == ("/x", "a.b", 3, 4)
    assert (error.excerpt, error.width, error.verb, error.hint) == ("b = 1", 1, "parse", "yes")


def test_a_failed_launch_knows_its_step() -> None:
    error = LaunchFailed("no", step="exec ./app", errno=2, path="./app")
    assert (error.step, error.errno, error.path, error.hint) == ("exec ./app", 2, "./app", "")
