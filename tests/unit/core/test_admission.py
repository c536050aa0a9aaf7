"""Which requests may start an instance."""

import pytest

from engine.core.admission import NEW_BURST, NEW_PER_SECOND, TokenBucket, admit_request
from engine.core.spec import ServiceSpec, Wake


def spec(wake: Wake = Wake.ANY, max_instances: int = 3) -> ServiceSpec:
    return ServiceSpec(name="api", command="x", wake=wake, max_instances=max_instances)


def admit(service: ServiceSpec, *, is_known: bool, count: int = 0) -> str:
    refused = admit_request(
        service, is_known=is_known, count=count, bucket=TokenBucket(), now=100.0
    )
    return refused.reason if refused else ""


@pytest.mark.parametrize(
    ("wake", "is_known", "is_admitted"),
    [
        (Wake.ANY, True, True),
        (Wake.ANY, False, True),
        (Wake.KNOWN, True, True),
        (Wake.KNOWN, False, False),
        (Wake.NEVER, True, False),
        (Wake.NEVER, False, False),
    ],
)
def test_wake_says_which_instances_a_request_may_start(
    wake: Wake, is_known: bool, is_admitted: bool
) -> None:
    assert (admit(spec(wake), is_known=is_known) == "") is is_admitted


def test_ids_never_seen_are_bounded_by_max_instances() -> None:
    assert admit(spec(), is_known=False, count=2) == ""
    assert admit(spec(), is_known=False, count=3) == "max_instances = 3 is reached"
    assert admit(spec(), is_known=True, count=3) == ""


def test_ids_never_seen_are_bounded_by_rate() -> None:
    bucket, service = TokenBucket(), spec(max_instances=10_000)

    def ask(now: float, is_known: bool = False) -> float:
        refused = admit_request(service, is_known=is_known, count=0, bucket=bucket, now=now)
        return refused.retry_after if refused else 0.0

    assert [ask(50.0) for _ in range(NEW_BURST)] == [0.0] * NEW_BURST
    wait = ask(50.0)
    assert 0.0 < wait <= 1.0 / NEW_PER_SECOND
    assert ask(50.0, is_known=True) == 0.0
    assert ask(50.0 + wait) == 0.0
    assert ask(50.0 + wait) > 0.0
    assert [ask(1000.0) for _ in range(NEW_BURST + 1)].count(0.0) == NEW_BURST
