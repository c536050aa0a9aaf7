"""No failure of detached work is silent."""

import asyncio

import pytest

from engine.daemon import tasks


async def test_work_is_named_and_kept_until_it_ends() -> None:
    go = asyncio.Event()
    task = tasks.spawn(go.wait(), name="wait for it")
    assert "wait for it" in tasks.running()
    go.set()
    assert await task is True
    await asyncio.sleep(0)
    assert "wait for it" not in tasks.running()


async def test_a_failure_is_logged_by_name_and_an_end_on_request_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    task = tasks.spawn(fail(), name="will fail")
    cancelled = tasks.spawn(asyncio.sleep(60), name="is cancelled")
    cancelled.cancel()
    await asyncio.wait({task, cancelled})
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == ["task will fail failed"]
