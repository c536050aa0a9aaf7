"""One request and its answer: routed, sent, answered, and counted."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from engine.core.chunked import encode_chunk, encode_last
from engine.core.http1_events import END, UNHEARD, End, Event, RequestHead, ResponseHead
from engine.core.http1_head import Framing
from engine.core.routing import Admission
from engine.door.answers import answer
from engine.door.heads import request_head, response_head, switch_head
from engine.door.logged import LoggedVisit
from engine.door.stage import (
    IDEMPOTENT,
    PENDING_BYTES,
    REFUSED_SECONDS,
    REFUSED_STEP_SECONDS,
    RETRIES,
    SLOWEST_BYTES_A_SECOND,
    Stage,
)
from engine.door.visit import Visit

if TYPE_CHECKING:
    from engine.door.backend import Backend
    from engine.door.client import Client
    from engine.door.door import Door
    from engine.door.fleet import Choice
    from engine.door.upstream import Upstream


class Exchange:
    """A request of a client, from its head until the answer is sent.

    Attributes:
        stage: Where it is.
        parked_key, waits_for: Of `engine.door.parking`.
    """

    # What most requests never change is kept once, in the class.
    stage = Stage.WAITING
    parked_key = ""
    waits_for = ""
    _choice: Choice | None = None
    _upstream: Upstream | None = None
    _failed: frozenset[str] = frozenset()
    _pending_bytes = 0
    _is_request_done = False
    _is_upstream_kept = False
    _is_framed = False
    _is_tunnel_half = False
    _encodes = False
    _losses = 0
    _parked_at = _parked_until = 0.0
    _woken_from = ""
    _refused_until = 0.0

    def __init__(self, door: Door, client: Client, head: RequestHead) -> None:
        """Begin with the head; `go_on` once what came with it has been given, too."""
        self._door = door
        self.client = client
        self._head = head
        self._is_kept = head.is_keep_alive
        self._visit = Visit()
        self._pending: list[bytes] = []

    # --- the way there ---

    def go_on(self) -> None:
        """Decide by the table in force where the request goes, and send it there."""
        self.stage = Stage.WAITING
        choice = self._choice = self._door.fleet.choose(self._head.host, self._head.target)
        if choice.is_logged and type(self._visit) is Visit:
            self._visit = LoggedVisit(self._door, self, self._head, choice.log_name)
        match choice.admission:
            case Admission.GO:
                self._dispatch(choice)
            case Admission.WAIT | Admission.WAKE:
                self._park(choice)
            case Admission.UNKNOWN:
                self.answer(404)
            case Admission.REFUSED:
                self.answer(503)

    def _park(self, choice: Choice) -> None:
        now = time.monotonic()
        if not self._parked_until:
            self._parked_at, self._parked_until = now, now + choice.startup_timeout
        self._woken_from = self._woken_from or choice.wakes_from
        self._refused_until = 0.0
        self.client.deadline = self._parked_until
        if not self._door.parking.park(self, choice, now):
            self.answer(503, retry_after=1.0)

    def _dispatch(self, choice: Choice) -> None:
        now = time.monotonic()
        backend = choice.pick(self._failed, now)
        if backend is None:
            self._retry_later()
            return
        if not self._visit.begun_at or self.parked_key:
            # Waiting for the instance to come up is not its time to answer.
            self.parked_key = ""
            self._visit.begun_at = now
            self.client.deadline = now + (choice.request_timeout or inf)
        self._visit.enter(backend, now)
        if self._woken_from:
            backend.traffic.woken(self._woken_from, (now - self._parked_at) * 1000.0)
            self._woken_from = ""
        is_once = self._head.has_body or self._head.method not in IDEMPOTENT
        upstream = None if self._losses else backend.take(is_sure=is_once)
        if upstream is None:
            self.stage = Stage.CONNECTING
            self._door.connect(self, backend)
        else:
            self._send(upstream)

    def on_connected(self, upstream: Upstream) -> None:
        """Go on with a new connection; where the client has gone, keep it for another."""
        upstream.backend.clear()
        if self.stage is Stage.CONNECTING and upstream.backend is self._visit.backend:
            self._send(upstream)
        else:
            upstream.release(time.monotonic(), is_reusable=True)

    def on_connect_failed(self, backend: Backend) -> None:
        """Try another instance, or the same a little later."""
        backend.strike(time.monotonic())
        if self.stage is not Stage.CONNECTING or backend is not self._visit.backend:
            return
        self._visit.leave(time.monotonic())
        self._failed |= {backend.name.partition(":")[2]}
        self.go_on()

    def _retry_later(self) -> None:
        now = time.monotonic()
        if not self._refused_until:
            self._refused_until = now + REFUSED_SECONDS
        if now >= self._refused_until:
            self._visit.answered(now, 503)
            self.answer(503, retry_after=1.0)
            return
        self.stage = Stage.WAITING
        self._failed = frozenset()
        self._door.loop.call_later(REFUSED_STEP_SECONDS, self._retry)

    def _retry(self) -> None:
        if self.stage is Stage.WAITING:
            self.go_on()

    def _send(self, upstream: Upstream) -> None:
        assert self._choice is not None  # noqa: S101 - dispatched by it
        self._upstream = upstream
        self.stage = Stage.AWAITING
        fleet = self._door.fleet
        said, lines = self.client.source.said(self._head, fleet.proxies)
        peer = said.client if self._choice.is_api else b""
        head = request_head(self._head, lines, peer=peer, domain=fleet.domain)
        upstream.send_head(self, head, self._head.method)
        if self.client.is_full:
            upstream.transport.pause_reading()
        if self._pending:
            upstream.transport.writelines(self._pending)
            self._visit.carry_in(self._pending_bytes)
            self._pending = []
            if self._pending_bytes > PENDING_BYTES:
                self.client.resume_reading()

    # --- the request's body ---

    def on_body(self, piece: bytes) -> None:
        """Pass on a piece of the request's body, or of what a tunnel carries."""
        upstream = self._upstream
        data = encode_chunk(piece) if self._head.is_chunked else piece
        if upstream is not None:
            self._visit.carry_in(len(piece))
            if self.stage is Stage.AWAITING:
                self._extend_deadline(len(piece))
            upstream.transport.write(data)
        elif self.stage is not Stage.DONE:
            self._pending.append(data)
            self._pending_bytes += len(data)
            if self._pending_bytes > PENDING_BYTES:
                self.client.pause_reading()

    def on_body_end(self, end: End) -> None:
        """Take the end of the request."""
        self._is_request_done = True
        if not self._head.is_chunked:
            return
        data = encode_last(end.trailers)
        if self._upstream is not None:
            self._upstream.transport.write(data)
        elif self.stage is not Stage.DONE:
            self._pending.append(data)

    def _extend_deadline(self, size: int) -> None:
        if self._choice is not None:
            latest = time.monotonic() + (self._choice.request_timeout or inf)
            client = self.client
            client.deadline = min(latest, client.deadline + size / SLOWEST_BYTES_A_SECOND)

    # --- the answer ---

    def on_response(self, events: list[Event]) -> None:
        """Pass on what the upstream sent."""
        out: list[bytes] = []
        for event in events:
            kind = type(event)
            if kind is bytes:
                self._visit.carry_out(len(event))  # type: ignore[arg-type]
                out.append(encode_chunk(event) if self._encodes else event)  # type: ignore[arg-type]
            elif kind is ResponseHead:
                if not self._on_head(event, out):  # type: ignore[arg-type]
                    return
            elif kind is End:
                if self._encodes:
                    out.append(encode_last(event.trailers))  # type: ignore[union-attr]
                self.client.write(out)
                self._finish()
                return
            else:
                self.client.write(out)
                self._fail()
                return
        self.client.write(out)

    def _on_head(self, head: ResponseHead, out: list[bytes]) -> bool:
        """Take a head; tell whether there is anything to go on with."""
        if head.status < 200:
            if head.status == 101:
                return self._switch(head, out)
            if not self._head.is_http10:
                out.append(head.line + head.fields + b"\r\n")
            return True
        self._visit.answered(time.monotonic(), head.status)
        self.stage = Stage.STREAMING
        client = self.client
        client.deadline = inf
        is_open_ended = head.framing is Framing.CHUNKED or head.framing is Framing.UNTIL_CLOSE
        if is_open_ended and self._head.is_http10:
            self._is_kept = False
        is_last = self._door.is_draining or client.is_half_closed
        self._is_kept = self._is_kept and self._is_request_done and not is_last
        self._encodes = is_open_ended and not self._head.is_http10
        self._is_framed = self._encodes or not is_open_ended
        self._is_upstream_kept = head.is_keep_alive and head.framing is not Framing.UNTIL_CLOSE
        out.append(
            response_head(
                head,
                is_chunked=self._encodes,
                is_kept=self._is_kept,
                is_http10=self._head.is_http10,
            )
        )
        return True

    def _switch(self, head: ResponseHead, out: list[bytes]) -> bool:
        """Become a tunnel, if it is the one the client asked for."""
        upstream = self._upstream
        if not self._head.asks_for(head.upgrade) or upstream is None:
            self._fail()
            return False
        self._visit.answered(time.monotonic(), head.status)
        out.append(switch_head(head))
        self.stage = Stage.TUNNEL
        self.client.deadline = inf
        rest = self.client.reader.take_rest()
        if rest:
            self.on_body(rest)
        self.client.resume_reading()
        return True

    def on_upstream_end(self, events: list[Event]) -> bool:
        """Take the end of what the upstream sends; tell whether it is still to be written to."""
        if self.stage is Stage.TUNNEL:
            if self._is_tunnel_half:
                return False
            self._is_tunnel_half = True
            self.client.write_end()
            return True
        if events == [END]:
            self.on_response(events)
        elif events:
            self._fail(is_unheard=events == [UNHEARD])
        return False

    def on_upstream_lost(self, events: list[Event]) -> None:
        """Take the loss of the connection."""
        if self.stage is Stage.TUNNEL:
            self._finish()
        else:
            self.on_upstream_end(events)

    def on_client_end(self) -> bool:
        """Take the end of what the client sends; tell whether it is still to be written to."""
        if self.stage is Stage.TUNNEL and self._upstream is not None:
            if self._is_tunnel_half:
                return False
            self._is_tunnel_half = True
            self._upstream.transport.write_eof()
            return True
        return self._is_request_done

    # --- the end ---

    def _finish(self) -> None:
        now = time.monotonic()
        is_whole = self._is_request_done and self.stage is Stage.STREAMING
        # A program that answers without reading the body takes it for the next request.
        is_reusable = self._is_upstream_kept and is_whole and not self._head.has_body
        is_kept = self._is_kept and self.stage is Stage.STREAMING
        self.stage = Stage.DONE
        upstream, self._upstream = self._upstream, None
        self._visit.leave(now)
        if upstream is not None:
            upstream.release(now, is_reusable=is_reusable)
        self.client.on_exchange_done(now, is_kept=is_kept, is_whole=self._is_request_done)

    def _fail(self, *, is_unheard: bool = False) -> None:
        """Give up the upstream: answer 502, or cut the answer that has begun, or try again."""
        now = time.monotonic()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
        if self.stage is Stage.AWAITING:
            if is_unheard and self._may_retry():
                self._losses += 1
                self._visit.leave(now)
                self.stage = Stage.WAITING
                pause = REFUSED_STEP_SECONDS if self._losses > 1 else 0.0
                self._door.loop.call_later(pause, self._retry)
                return
            self._visit.answered(now, 502)
            self.answer(502)
            return
        self.stage = Stage.DONE
        self._visit.cut()
        self._visit.leave(now)
        self.client.cut(is_framed=self._is_framed)

    def _may_retry(self) -> bool:
        head = self._head
        return self._losses < RETRIES and not head.has_body and head.method in IDEMPOTENT

    def answer(self, status: int, *, retry_after: float = 0.0) -> None:
        """Answer in the upstream's place; nothing of an answer has been sent yet."""
        self.stage = Stage.DONE
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
        self._pending = []
        now = time.monotonic()
        self._visit.status = status
        self._visit.leave(now)
        is_kept = (
            self._is_kept
            and self._is_request_done
            and not (self._head.is_http10 or self._door.is_draining)
        )
        is_head = self._head.method == b"HEAD"
        data = answer(status, is_kept=is_kept, is_head=is_head, retry_after=retry_after)
        self.client.write([data])
        self.client.on_exchange_done(now, is_kept=is_kept, is_whole=self._is_request_done)

    def on_deadline(self) -> None:
        """Answer that it took too long."""
        if self.stage is Stage.WAITING:
            self._door.parking.leave(self)
            self.answer(503, retry_after=1.0)
            return
        if self._is_request_done or self.client.is_paused:
            self._visit.answered(time.monotonic(), 504)
            self.answer(504)
        else:
            self.answer(408)

    def on_client_lost(self) -> None:
        """Let go of everything: nobody waits for the answer any more."""
        if self.stage is Stage.WAITING:
            self._door.parking.leave(self)
        self.stage = Stage.DONE
        upstream, self._upstream = self._upstream, None
        self._visit.give_up()
        self._visit.leave(time.monotonic())
        if upstream is not None:
            upstream.close()

    def pause_upstream(self) -> None:
        """Read no more from the upstream: the client is slow."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def resume_upstream(self) -> None:
        """Read on."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()
