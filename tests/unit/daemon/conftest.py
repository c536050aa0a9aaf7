"""The engine runs on uvloop, so do its tests; some also on asyncio's own loop."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from engine.daemon.ring import Ring, RingStore
from tests.unit.daemon.ring_rig import BOOT, NAME, Clock

_ON_BOTH = {"test_prober.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name in _ON_BOTH:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reopen(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Ring]]:
    """Open the ring as the next engine does; the one before is left as a SIGKILL leaves it."""
    stores: list[RingStore] = []

    def open_ring(*, boot: bytes = BOOT, limit_bytes: int | None = None) -> Ring:
        stores.append(RingStore(tmp_path / "logs", boot=boot, clock=clock))
        return stores[-1].ring(NAME, limit_bytes)

    yield open_ring
    for store in stores:
        for ring in store._open.values():
            if ring._written is not None:
                ring._written.close()
