import pytest

from engine.core.gvisor import exit_summary


@pytest.mark.parametrize(
    ("code", "summary"),
    [
        (1, ""),
        (127, ""),
        (128, "gVisor failed, or the program exited with 128"),
        (134, "killed by SIGABRT in the sandbox"),
        (137, "the program or gVisor's sandbox process was killed by SIGKILL"),
        (143, "killed by SIGTERM in the sandbox"),
        (255, ""),
    ],
)
def test_exit_statuses_are_put_into_words(code: int, summary: str) -> None:
    assert exit_summary(code) == summary
