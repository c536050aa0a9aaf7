from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import Served


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Served]:
    """The API as this host's users reach it."""
    with Served(tmp_path) as served:
        yield served


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Served]:
    """The API as the door reaches it."""
    with Served(tmp_path, is_local=False) as served:
        yield served
