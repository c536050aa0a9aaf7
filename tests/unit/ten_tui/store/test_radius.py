"""What an act touches, in words."""

from ten_tui.store.radius import listed, radius, to_type, who
from tests.tui.demo import T0, demo_instances, sample_of

KNOWN = {one.name: one for one in demo_instances()}
SAMPLES = {"api:alice": sample_of("api:alice", T0), "api:bob": sample_of("api:bob", T0)}
ALL = ("api:alice", "api:bob", "api:carol")


def test_names() -> None:
    assert who(ALL[:1]) == "api:alice"
    assert who(ALL) == "3 instances of api"
    assert who(("api:alice", "worker:mail")) == "2 instances of 2 services"
    assert to_type(ALL[:1]) == "api:alice"
    assert to_type(ALL) == "api"
    assert to_type(("api:alice", "worker:mail")) == "2"
    assert listed(ALL) == ALL
    assert listed(tuple("abcdefgh")) == (*"abcdef", "and 2 more")


def test_requests_and_services_without_anybody_left() -> None:
    rate = SAMPLES["api:alice"].requests
    assert radius("stop", ("api:alice",), KNOWN, SAMPLES) == (f"{rate:.0f} req/s go there now",)
    assert radius("stop", ALL, KNOWN, SAMPLES)[1] == "nobody answers for api"
    assert radius("restart", ALL, KNOWN, {}) == ("nobody answers for api until they are back",)
    assert radius("start", ALL, KNOWN, SAMPLES) == ()
    assert radius("stop", ("flaky:default",), KNOWN, SAMPLES) == (), "nobody answered before"
