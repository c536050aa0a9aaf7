"""What a test needs of the host: skipped with its reason on a laptop, an error in CI.

With TEN_REQUIRE=all in the environment nothing may be skipped.
"""

import os
import shutil

import pytest


def is_everything_required() -> bool:
    """Tell whether nothing may be skipped."""
    return os.environ.get("TEN_REQUIRE") == "all"


def require(condition: bool, reason: str, fix: str) -> None:
    """Go on if the host has it; else skip, or fail where everything is required."""
    if condition:
        return
    text = f"{reason}; {fix}"
    if is_everything_required():
        pytest.fail(f"TEN_REQUIRE=all: {text}", pytrace=False)
    pytest.skip(text)


def require_program(name: str, package: str | None = None) -> str:
    """Give the path of a program, or skip with the line that installs it."""
    path = shutil.which(name)
    require(path is not None, f"{name} is not installed", f"apt-get install {package or name}")
    assert path is not None
    return path


def require_root() -> None:
    """Go on if this is root."""
    require(os.geteuid() == 0, "needs root", "sudo make test")
