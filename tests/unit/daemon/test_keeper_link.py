"""Orders and answers."""

import asyncio
import json
import os
import socket

import pytest

from engine.core import keeperwire as wire
from engine.daemon.keeper_link import KeeperGone, KeeperLink


class Keeper:
    """The other end, played by hand."""

    def __init__(self) -> None:
        ours, self.end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.setblocking(False)
        self.heard: list[wire.FromKeeper] = []
        self.is_gone = False
        self.link = KeeperLink(ours, on_message=self._take, on_end=self._gone)

    def _take(self, message: wire.FromKeeper, fds: list[int]) -> None:
        assert fds == []
        self.heard.append(message)

    def _gone(self) -> None:
        self.is_gone = True

    async def receive(self) -> dict[str, object]:
        data = await asyncio.get_running_loop().sock_recv(self.end, 1 << 18)
        found: dict[str, object] = json.loads(data)
        return found

    def send(self, message: dict[str, object], fds: list[int] | None = None) -> None:
        socket.send_fds(self.end, [json.dumps(message).encode()], fds or [])


async def test_an_answer_goes_to_who_gave_the_order_and_the_rest_to_the_receiver() -> None:
    keeper = Keeper()
    first = asyncio.gather(keeper.link.spawn("a:b", [["setsid"]], "", wire.Blob(port=1)))
    second = asyncio.gather(keeper.link.sockets(42, 1))
    orders = [await keeper.receive() for _ in range(2)]
    assert [order["op"] for order in orders] == ["spawn", "sockets"]
    read, write = os.pipe()
    keeper.send({"type": "reply", "re": orders[1]["seq"], "ok": True, "count": 1}, [read])
    keeper.send({"type": "reload"})
    keeper.send({"type": "what is this"})
    keeper.send({"type": "reply", "re": 999, "ok": True})
    keeper.send(
        {"type": "reply", "re": orders[0]["seq"], "ok": False, "step": "exec /x", "errno": 2}
    )
    ((reply, fds),) = await second
    assert reply.count == 1
    assert len(fds) == 1
    ((refusal, none),) = await first
    assert (refusal.ok, refusal.step, refusal.errno, none) == (False, "exec /x", 2, [])
    assert keeper.heard == [wire.ReloadAsked()]
    for fd in (read, write, *fds):
        os.close(fd)
    keeper.link.close()
    keeper.end.close()


async def test_the_end_of_the_keeper_fails_what_waits() -> None:
    keeper = Keeper()
    waiting = asyncio.gather(keeper.link.spawn("a:b", [], "", wire.Blob()), return_exceptions=True)
    await keeper.receive()
    keeper.end.close()
    (error,) = await waiting
    assert isinstance(error, KeeperGone)
    assert keeper.is_gone
    with pytest.raises(KeeperGone):
        await keeper.link.spawn("a:b", [], "", wire.Blob())
