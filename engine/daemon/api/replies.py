"""How the API answers: JSON by msgspec, errors with their kind, bodies checked as the peer does."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.responses import Response

from engine.core.errors import (
    FeatureMissing,
    LaunchFailed,
    NotFound,
    Refused,
    SpecError,
    TenError,
)

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")

MAX_BODY_BYTES = 2 * 1024 * 1024

_KINDS: tuple[tuple[type[TenError], str, int], ...] = (
    (NotFound, "not_found", HTTPStatus.NOT_FOUND),
    (Refused, "refused", HTTPStatus.CONFLICT),
    (LaunchFailed, "launch_failed", HTTPStatus.INTERNAL_SERVER_ERROR),
    (FeatureMissing, "feature_missing", HTTPStatus.NOT_IMPLEMENTED),
    (SpecError, "spec", HTTPStatus.UNPROCESSABLE_ENTITY),
)


class Fault(Exception):  # noqa: N818 - named by situation
    """A request is answered with a ready response instead of going on."""

    def __init__(self, response: Response) -> None:
        """Keep the answer."""
        super().__init__(response.status_code)
        self.response = response


def reply(value: object, status: int = HTTPStatus.OK) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def plain(status: int, text: str) -> Response:
    """Answer with a line of text."""
    return Response(text, status, headers={"content-type": "text/plain; charset=utf-8"})


def error(status: int, text: str) -> Response:
    """Answer with the peer's form of an error."""
    return reply({"error": text}, status)


def describe(failure: TenError, status: int = 0) -> Response:
    """Answer with an error of the engine; the status follows from its kind unless it is given.

    Besides the peer's `error` there are `kind`, `hint`, and for a failed launch `step`, `errno`
    and `path`, so that a client can raise the same error again.
    """
    kind, found = "error", int(HTTPStatus.INTERNAL_SERVER_ERROR)
    for cls, name, number in _KINDS:
        if isinstance(failure, cls):
            kind, found = name, number
            break
    value: dict[str, object] = {"error": str(failure), "kind": kind}
    if failure.hint:
        value["hint"] = failure.hint
    if isinstance(failure, LaunchFailed):
        value |= {"step": failure.step, "errno": failure.errno, "path": failure.path}
    return reply(value, status or found)


async def read_body(request: Request, shape: type[T]) -> T:
    """Read and check a JSON body.

    Raises:
        Fault: 415 for another type, 413 past 2 MiB, 400 where it is no JSON, 422 where it is
            not of the shape; all of them as text.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    subtype = kind.removeprefix("application/")
    if subtype == kind or not (subtype == "json" or subtype.endswith("+json")):
        text = "Expected request with `Content-Type: application/json`"
        raise Fault(plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text))
    data = await _read(request)
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as failure:
        text = f"Failed to deserialize the JSON body into the target type: {failure}"
        raise Fault(plain(HTTPStatus.UNPROCESSABLE_ENTITY, text)) from failure
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        text = f"Failed to parse the request body as JSON: {failure}"
        raise Fault(plain(HTTPStatus.BAD_REQUEST, text)) from failure


async def _read(request: Request) -> bytes:
    data = bytearray()
    declared = request.headers.get("content-length", "0")
    is_long = not declared.isdecimal() or int(declared) > MAX_BODY_BYTES
    if not is_long:
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY_BYTES:
                is_long = True
                break
    if is_long:
        text = "Failed to buffer the request body: length limit exceeded"
        # The rest is read and dropped by the server, so that the client gets to see the answer.
        raise Fault(plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text))
    return bytes(data)


def read_query(request: Request, shape: type[T]) -> T:
    """Read the query string into a record; names it does not have are ignored.

    Raises:
        Fault: 400 as text where a value is not of its type.
    """
    try:
        return msgspec.convert(dict(request.query_params), shape, strict=False)
    except msgspec.ValidationError as failure:
        text = f"Failed to deserialize query string: {failure}"
        raise Fault(plain(HTTPStatus.BAD_REQUEST, text)) from failure
