"""What a failed launch says."""

import errno
from pathlib import Path

import pytest

from engine.core.errors import FeatureMissing, LaunchFailed, Refused
from engine.daemon.launcher import why_of


def test_a_failed_step_is_named_with_its_error_and_path() -> None:
    error = LaunchFailed("exec /x: No such file", step="exec /x", errno=errno.ENOENT, path="/x")
    why = why_of(error)
    assert (why.summary, why.step) == ("exec /x: No such file", "exec /x")
    assert (why.errno, why.path) == ("ENOENT", "/x")


def test_what_is_missing_is_named_with_the_line_that_installs_it() -> None:
    why = why_of(FeatureMissing("needs runsc", hint="apt-get install runsc"))
    assert why.summary == "needs runsc (apt-get install runsc)"
    assert why.step


def test_refusals_and_files_are_named() -> None:
    assert why_of(Refused("no port is free")).summary == "no port is free"
    with pytest.raises(OSError, match="No such file") as caught:
        Path("/no/such/folder").mkdir()
    why = why_of(caught.value)
    assert (why.errno, why.path) == ("ENOENT", "/no/such/folder")
    assert why.summary == "No such file or directory: /no/such/folder"


def test_a_mistake_of_ours_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert "KeyError" in why_of(KeyError("x")).summary
    assert caplog.records
