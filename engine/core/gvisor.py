"""What the exit statuses of gVisor's `runsc` mean."""

from __future__ import annotations

from signal import Signals

FAILED = 128
"""runsc ends so where it could not make the sandbox, or lost it; its last line says why."""


def exit_summary(code: int) -> str:
    """Put the exit status of a runsc into words, "" where it is just the program's own.

    What a signal ended inside is told as a shell does, by 128 + its number; so is the end of the
    sandbox process itself, which takes the program along.
    """
    if code == FAILED:
        return f"gVisor failed, or the program exited with {code}"
    try:
        signal = Signals(code - FAILED)
    except ValueError:
        return ""
    if signal is Signals.SIGKILL:
        return f"the program or gVisor's sandbox process was killed by {signal.name}"
    return f"killed by {signal.name} in the sandbox"
