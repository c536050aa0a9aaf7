"""The newest past of an instance, as it goes over the API."""

from __future__ import annotations

import msgspec

from engine.core.wire import Sample  # noqa: TC001 - msgspec reads the annotation


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one instance, oldest first, one a second, gaps left out."""

    name: str
    samples: list[Sample]
