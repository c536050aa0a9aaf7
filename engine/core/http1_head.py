"""Heads of HTTP/1.1 messages: one strict grammar, and what a proxy has to know of a head.

The grammar is a regular expression over the raw bytes: what it does not match is refused, and
what it matches is forwarded as the bytes that were matched, less the lines a proxy must not
pass on. So there is no second reading of a head that could differ from the first. (Measured
against llhttp through httptools: half its time for a small head, the same for a browser's, and
llhttp accepts more than may be passed on. The tests compare the two readings.)

Source: RFC 9112 (syntax, framing), RFC 9110 section 7.6.1 (hop-by-hop fields).
"""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec

HEAD_LIMIT_BYTES = 64 * 1024
"""Of a whole head, start line and final empty line included; of requests the configuration's."""

FIELD_LIMIT = 100
"""Field lines of one head, and of one trailer section; likewise."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT = rb"[\t -~\x80-\xff]*+"
_FIELDS = rb"(?:" + _TOKEN + rb":" + _TEXT + rb"\r\n)*+"

REQUEST = re.compile(rb"(" + _TOKEN + rb") ([!\"$-~]++) HTTP/1\.([01])(\r\n" + _FIELDS + rb")\r\n")
"""A whole request head: method, target, minor version, field lines led by CRLF."""

RESPONSE = re.compile(
    rb"HTTP/1\.([01]) (([1-9][0-9][0-9])(?: " + _TEXT + rb")?)(\r\n" + _FIELDS + rb")\r\n"
)
"""A whole response head: minor version, status and reason, status, field lines led by CRLF."""

FIELDS = re.compile(_FIELDS)
"""Field lines, as in a trailer section."""

FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?=[^\n])")
"""What no head may hold anywhere: control bytes, a bare LF, a bare CR."""

_OTHER_VERSION = re.compile(
    _TOKEN + rb" [!\"$-~]++ HTTP/(?!1\.[01])[0-9]\.[0-9]\r\n",
)
_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~%-]{0,255}|\[(?=[^\]:]*+:[^\]:]*+:)[0-9A-Fa-f:.]++\])(?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?]++)(.*+)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_NAME = re.compile(rb"\n(" + _TOKEN + rb"):")


def _any_case(*names: str) -> bytes:
    """Give a pattern of field names in any case, `-` and `_` taken alike.

    Programs that turn names into CGI variables do not tell the two apart, so neither may we.
    The first letter as a class of its own lets the engine pass over other lines quickly.
    """
    signs = {"-": "[-_]", "*": "[!#$%&'*+.^_`|~0-9A-Za-z-]*+"}
    texts = (
        "".join(signs.get(sign) or f"[{sign}{sign.upper()}]" for sign in name) for name in names
    )
    return "|".join(texts).encode()


_HOP_BY_HOP = (
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
)
_VALUE = rb"):[ \t]*+([^\r]*+)\r"
_REQUEST_SPECIAL = re.compile(
    rb"\n("
    + _any_case("host", "content-length", *_HOP_BY_HOP, "forwarded", "x-forwarded-*", "x-ten-*")
    + _VALUE
)
_RESPONSE_SPECIAL = re.compile(rb"\n(" + _any_case("content-length", *_HOP_BY_HOP) + _VALUE)
_TRAILER_SPECIAL = re.compile(
    rb"\n("
    + _any_case(
        "host", "content-*", *_HOP_BY_HOP, "trailer", "forwarded", "x-forwarded-*", "x-ten-*"
    )
    + _VALUE
)
_NOT_NAMES = frozenset(
    {
        *(b"", b"close", b"keep-alive", b"upgrade", b"te"),
        *(b"host", b"content-length", b"transfer-encoding"),
    }
)
"""Tokens of `Connection` that take no line away: because those are gone anyway, or because the
message would become another one."""


class Framing(Enum):
    """How the end of a body is known."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


class HeadRefused(Exception):  # noqa: N818 - named by situation
    """A head is not to be passed on.

    Attributes:
        status: What a client that sent it is answered.
    """

    def __init__(self, status: int, reason: str) -> None:
        """Say why."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """What the field lines of a head say, and those of them that are passed on.

    Attributes:
        block: Lines to pass on, each ended by CRLF, as they came and in their order, without
            hop-by-hop fields. `Content-Length` is there once, or not at all.
        host: Value of `Host`, None where there is none.
        length: Body bytes, where framing is LENGTH.
        tokens: Of `Connection`, in lower case.
        upgrade: Value of `Upgrade`, b"" if none.
        forwarded: `Forwarded` and `X-Forwarded-*`: names in lower case, values. Whether they
            are believed is for `engine.core.proxies` to say.
    """

    block: bytes
    host: bytes | None = None
    framing: Framing = Framing.NONE
    length: int = 0
    tokens: frozenset[bytes] = frozenset()
    upgrade: bytes = b""
    forwarded: tuple[tuple[bytes, bytes], ...] = ()


class _Found:
    """The special lines of one head, as they are gathered."""

    __slots__ = (
        "codings",
        "cuts",
        "forwarded",
        "hosts",
        "length_spans",
        "lengths",
        "tokens",
        "upgrades",
    )

    def __init__(self) -> None:
        self.cuts: list[tuple[int, int]] = []
        self.hosts: list[bytes] = []
        self.lengths: list[bytes] = []
        self.length_spans: list[tuple[int, int]] = []
        self.codings: list[bytes] = []
        self.tokens: list[bytes] = []
        self.upgrades: list[bytes] = []
        self.forwarded: list[tuple[bytes, bytes]] = []

    def add(self, name: bytes, value: bytes, span: tuple[int, int]) -> None:
        """Take one line; all but `Host` and one `Content-Length` are cut out."""
        if name == b"host":
            self.hosts.append(value)
            return
        if name == b"content-length":
            self.lengths += (part.strip(b" \t") for part in value.split(b","))
            self.length_spans.append(span)
            return
        self.cuts.append(span)
        if name == b"connection":
            self.tokens += (token.strip(b" \t").lower() for token in value.split(b","))
        elif name == b"transfer-encoding":
            self.codings += (part.strip(b" \t").lower() for part in value.split(b","))
        elif name == b"upgrade":
            self.upgrades.append(value)
        elif name.startswith((b"forwarded", b"x-forwarded-")):
            self.forwarded.append((name, value))


def _gather(special: re.Pattern[bytes], lines: bytes) -> _Found:
    found = _Found()
    for match in special.finditer(lines):
        span = (match.start() + 1, match.end() + 1)
        found.add(match[1].lower(), match[2].rstrip(b" \t"), span)
    return found


def _without(lines: bytes, cuts: list[tuple[int, int]]) -> bytes:
    """Leave out spans in ascending order."""
    kept, position = [], 0
    for start, end in cuts:
        kept.append(lines[position:start])
        position = end
    kept.append(lines[position:])
    return b"".join(kept)


def _drop_named(block: bytes, tokens: frozenset[bytes]) -> bytes:
    """Leave out the lines that `Connection` names."""
    cuts = [
        (match.start() + 1, block.index(b"\n", match.end()) + 1)
        for match in _NAME.finditer(block)
        if match[1].lower() in tokens
    ]
    return _without(block, cuts) if cuts else block


def _read_length(values: list[bytes]) -> int:
    """Read `Content-Length`; the same number said twice is one number."""
    numbers = set()
    for value in values:
        if not _LENGTH.fullmatch(value):
            raise HeadRefused(400, "bad content length")
        numbers.add(int(value))
    if len(numbers) != 1:
        raise HeadRefused(400, "several content lengths")
    return numbers.pop()


def _check_codings(codings: list[bytes], minor: bytes) -> None:
    """Allow `Transfer-Encoding: chunked` and nothing else."""
    if minor == b"0":
        raise HeadRefused(400, "transfer encoding in HTTP/1.0")
    if codings == [b"chunked"]:
        return
    if codings[-1] == b"chunked" and codings.count(b"chunked") == 1 and all(codings):
        raise HeadRefused(501, "transfer encoding not known")
    raise HeadRefused(400, "bad transfer encoding")


def _frame(found: _Found, minor: bytes) -> tuple[Framing, int]:
    if not found.codings:
        if not found.lengths:
            return Framing.NONE, 0
        return Framing.LENGTH, _read_length(found.lengths)
    if found.lengths:
        raise HeadRefused(400, "content length and transfer encoding")
    _check_codings(found.codings, minor)
    return Framing.CHUNKED, 0


def _kept(lines: bytes, found: _Found, length: int) -> bytes:
    """Give the lines to pass on; a length that was said several times is said once, at the end."""
    if len(found.lengths) < 2:
        return _without(lines, found.cuts)[2:] if found.cuts else lines[2:]
    block = _without(lines, sorted(found.cuts + found.length_spans))
    return block[2:] + b"Content-Length: %d\r\n" % length


def _digest(special: re.Pattern[bytes], lines: bytes, minor: bytes) -> Fields:
    """Read the field lines; `lines` is led by CRLF.

    Raises:
        HeadRefused: They can be read in two ways, or ask for what is not done.
    """
    found = _gather(special, lines)
    framing, length = _frame(found, minor)
    block = _kept(lines, found, length)
    tokens = frozenset(found.tokens)
    named = tokens - _NOT_NAMES
    if named:
        block = _drop_named(b"\r\n" + block, named)[2:]
    return Fields(
        block=block,
        host=_one_host(found.hosts),
        framing=framing,
        length=length,
        tokens=tokens,
        upgrade=found.upgrades[0] if len(found.upgrades) == 1 else b"",
        forwarded=tuple(found.forwarded),
    )


def without_length(fields: Fields) -> bytes:
    """Give the lines to pass on of a response that may not have a `Content-Length`."""
    if fields.framing is not Framing.LENGTH:
        return fields.block
    return _drop_named(b"\r\n" + fields.block, frozenset({b"content-length"}))[2:]


def _one_host(hosts: list[bytes]) -> bytes | None:
    if not hosts:
        return None
    if len(hosts) > 1:
        raise HeadRefused(400, "several hosts")
    if not _HOST.fullmatch(hosts[0]):
        raise HeadRefused(400, "bad host")
    return hosts[0]


def is_host(text: bytes) -> bool:
    """Tell whether it may stand in a `Host` field."""
    return _HOST.fullmatch(text) is not None


def _count_lines(lines: bytes, limit: int = FIELD_LIMIT) -> None:
    if lines.count(b"\n") > limit + 1:
        raise HeadRefused(431, "too many fields")


def digest_request(lines: bytes, minor: bytes, limit: int = FIELD_LIMIT) -> Fields:
    """Read the field lines of a request; `lines` is led by CRLF, `minor` is b"0" or b"1".

    Raises:
        HeadRefused: They can be read in two ways, ask for what is not done, or are more than
            `limit`.
    """
    _count_lines(lines, limit)
    fields = _digest(_REQUEST_SPECIAL, lines, minor)
    if fields.host is None and minor == b"1":
        raise HeadRefused(400, "no host")
    return fields


def digest_response(lines: bytes, minor: bytes) -> Fields:
    """Read the field lines of a response; as for a request."""
    _count_lines(lines)
    return _digest(_RESPONSE_SPECIAL, lines, minor)


def digest_trailers(lines: bytes) -> bytes:
    """Give the lines of a trailer section that may be passed on; none is led by CRLF.

    Raises:
        HeadRefused: Too many, or no field lines at all.
    """
    if not FIELDS.fullmatch(lines):
        raise HeadRefused(400, "bad trailers")
    _count_lines(b"\n" + lines)
    led = b"\r\n" + lines
    cuts = [(match.start() + 1, match.end() + 1) for match in _TRAILER_SPECIAL.finditer(led)]
    return _without(led, cuts)[2:]


def read_target(method: bytes, target: bytes, host: bytes | None) -> tuple[bytes, bytes | None]:
    """Bring a target to the form an origin server is sent; give it and the host it names.

    Raises:
        HeadRefused: It is of no form that fits, or names another host than `Host` does.
    """
    if method == b"CONNECT":
        raise HeadRefused(405, "no tunnel to elsewhere")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, host
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not _HOST.fullmatch(match[1]):
        raise HeadRefused(400, "bad target")
    if host is not None and match[1].lower() != host.lower():
        raise HeadRefused(400, "target and host differ")
    rest = match[2]
    if not rest.startswith(b"/"):
        rest = b"*" if method == b"OPTIONS" and not rest else b"/" + rest
    return rest, match[1]


def refusal_of_request(head: bytes) -> HeadRefused:
    """Say why a whole head is no request, where neither its size nor a forbidden byte is why."""
    if _OTHER_VERSION.match(head):
        return HeadRefused(505, "version not supported")
    return HeadRefused(400, "not HTTP/1.1")
