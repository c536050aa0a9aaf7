"""What the door answers itself."""

import pytest

from engine.door.answers import answer


def test_it_has_the_peers_bodies():
    assert answer(404, is_kept=True) == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 9\r\n\r\nNot found"
    )
    assert answer(503, is_kept=True).endswith(b"\r\n\r\nService temporarily unavailable")
    assert answer(502, is_kept=True).endswith(b"\r\n\r\nBad gateway")
    assert answer(504, is_kept=True).endswith(b"\r\n\r\nGateway timeout")


def test_a_closing_one_says_so():
    assert b"\r\nConnection: close\r\n" in answer(400, is_kept=False)


def test_head_has_no_body():
    assert answer(404, is_kept=True, is_head=True).endswith(b"Content-Length: 9\r\n\r\n")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, b"1"), (1, b"1"), (2.5, b"3")])
def test_retry_after_is_in_whole_seconds(seconds, text):
    assert b"\r\nRetry-After: %b\r\n" % text in answer(503, is_kept=True, retry_after=seconds)


def test_no_retry_after_unless_known():
    assert b"Retry-After" not in answer(503, is_kept=True)
