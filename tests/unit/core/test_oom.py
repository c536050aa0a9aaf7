"""Kills for lack of memory, in words."""

import pytest

from engine.core.oom import OomKill

MIB = 2**20


@pytest.mark.parametrize(
    ("kill", "summary", "event"),
    [
        (
            OomKill(kills=1, limit_bytes=256 * MIB, peak_bytes=256 * MIB),
            "killed by the kernel: out of memory (limit 256 MiB, peak 256 MiB)",
            "api:a is out of memory: the kernel killed 1 process (limit 256 MiB, peak 256 MiB)",
        ),
        (
            OomKill(kills=3, limit_bytes=256 * MIB),
            "killed by the kernel: out of memory (limit 256 MiB)",
            "api:a is out of memory: the kernel killed 3 processes (limit 256 MiB)",
        ),
        (
            OomKill(kills=1, peak_bytes=MIB * 5 // 2, is_own=False),
            "killed by the kernel: the host ran out of memory (no limit of its own, peak 2.5 MiB)",
            (
                "api:a lost memory as the host ran out: the kernel killed 1 process "
                "(no limit of its own, peak 2.5 MiB)"
            ),
        ),
    ],
)
def test_kills_in_words(kill: OomKill, summary: str, event: str) -> None:
    assert kill.summary() == summary
    assert kill.event("api:a") == event
