import asyncio
import errno
import os
from pathlib import Path

import pytest

from engine.core.config import parse_config
from engine.daemon import feeds as feeds_module
from engine.daemon.feeds import Feeds
from engine.daemon.registry import Registry
from engine.daemon.ring import Ring


class Notes:
    """A journal that nobody reads."""

    def add(self, *_: object, **__: object) -> None:
        """Note nothing."""


async def test_output_a_full_disk_refuses_is_not_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds_module, "LINGER_SECONDS", 0.01)
    registry = Registry(parse_config("", path=str(tmp_path / "tenement.toml")))
    feeds = Feeds(tmp_path, registry, Notes())  # type: ignore[arg-type]
    read_out: list[str] = []
    feeds.on_read_out = read_out.append
    (out, program), (err, other) = os.pipe2(os.O_NONBLOCK), os.pipe2(os.O_NONBLOCK)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(Ring, "splice_from", full)
        feeds.attach("api:a", (out, err))
        os.write(program, b"last words\n")
        feeds.run_out("api:a")
        await asyncio.sleep(0.1)
        assert read_out == []
    async with asyncio.timeout(5):
        while not read_out:
            await asyncio.sleep(0.01)
    assert [line.text for line in feeds.rings.find("api:a").window(0, 10).lines] == ["last words"]
    await feeds.close()
    for fd in (program, other):
        os.close(fd)
