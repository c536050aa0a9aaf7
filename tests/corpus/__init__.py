"""Malformed, odd and hostile messages as data, each with what must come of it.

One JSON object a line. Texts stand for bytes, one character a byte (ISO 8859-1); where a list
stands for a text, its elements follow each other and `[text, n]` is the text n times.

requests.jsonl, what a client sends on one connection:
    send: The bytes.
    answers: The statuses it gets, in order.
    reaches: The requests the instance gets, in order: their line without version, their body.
    ends: The last of them is answered with 200 and the connection ends nevertheless.

responses.jsonl, what an instance answers:
    send: The bytes; `then` it closes the connection, or lets it stay.
    method, asks: Of the request it answers: GET, and no upgrade, where nothing is said.
    status, body: What the client gets; 502 where the answer is refused.
    cut: The client sees that the answer breaks off.
    reused: Whether the connection carries another request.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parent

Text = str | list[Any]


def unfold(text: Text) -> bytes:
    """Give the bytes a text of the corpus stands for."""
    if isinstance(text, str):
        return text.encode("latin-1")
    parts = (each if isinstance(each, str) else each[0] * each[1] for each in text)
    return "".join(parts).encode("latin-1")


class HostileRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A line of requests.jsonl."""

    name: str
    send: Text
    answers: list[int]
    reaches: list[dict[str, Text]]
    ends: bool = False

    @property
    def data(self) -> bytes:
        return unfold(self.send)

    @property
    def seen(self) -> list[tuple[bytes, bytes]]:
        return [(unfold(each["line"]), unfold(each["body"])) for each in self.reaches]


class HostileResponse(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A line of responses.jsonl."""

    name: str
    send: Text
    then: str
    status: int
    method: str = "GET"
    asks: str = ""
    body: Text = ""
    cut: bool = False
    reused: bool = False

    @property
    def data(self) -> bytes:
        return unfold(self.send)


def _load(name: str, kind: type[Any]) -> dict[str, Any]:
    lines = (FOLDER / name).read_text().splitlines()
    rows = [msgspec.convert(json.loads(line), kind) for line in lines]
    named = {row.name: row for row in rows}
    assert len(named) == len(rows), "two of one name"
    return named


REQUESTS: dict[str, HostileRequest] = _load("requests.jsonl", HostileRequest)
RESPONSES: dict[str, HostileResponse] = _load("responses.jsonl", HostileResponse)
