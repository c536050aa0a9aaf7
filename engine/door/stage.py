"""Where a request is on its way, and what it may take."""

from __future__ import annotations

from enum import Enum, auto

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
"""Methods that may be sent twice. Source: RFC 9110 section 9.2.2."""

REFUSED_SECONDS = 2.0
"""How long an instance that is up by the table may refuse connections before a 503."""

REFUSED_STEP_SECONDS = 0.1
"""Between two tries."""

RETRIES = 2
"""How often a request is sent again after the connection was lost with no byte of an answer.

Once at once, as an idle connection may be closed just when it is used; once a moment later, as a
program that is being killed may take a new connection yet.
"""

PENDING_BYTES = 64 * 1024
"""Body kept while there is no connection yet; then the client is not read any more."""

SLOWEST_BYTES_A_SECOND = 1024
"""A body that comes faster than that is never late, however large it is."""


class Stage(Enum):
    """Where a request is.

    WAITING for its instance, or a moment before the next try; CONNECTING to it; AWAITING the
    head of the answer; STREAMING the answer's body; a TUNNEL after 101; DONE, also where the
    client has gone.
    """

    WAITING = auto()
    CONNECTING = auto()
    AWAITING = auto()
    STREAMING = auto()
    TUNNEL = auto()
    DONE = auto()
