"""The life of an instance as conversations: frozen, and what lets it go on."""

import pytest

from engine.core.lifecycle import (
    AwaitDrain,
    By,
    CancelTimer,
    CheckPassed,
    Drained,
    Exited,
    Freeze,
    Idle,
    Launch,
    LifeEvent,
    Quiet,
    Restart,
    Shutdown,
    Start,
    Stop,
    Terminate,
    Thaw,
    Timer,
    TimerFired,
    Undo,
    Unwatch,
    Watch,
    adopt,
)
from engine.core.wire import Desired, State
from tests.playbook import OPEN, SHUT, arm, asleep, degraded, freezing, frozen, healthy, starting

DRAIN = CancelTimer(Timer.DRAIN)


def test_it_is_frozen_once_no_door_has_a_request_for_it() -> None:
    play = healthy() >> Quiet() << (SHUT, Unwatch(), arm(Timer.DRAIN, 5), AwaitDrain())
    assert play.done(State.FROZEN).awaits_drain
    life = (play >> Drained() << (DRAIN, Freeze())).done(State.FROZEN)
    assert (life.stands_still, life.is_watched, life.pid) == (True, False, 7)


@pytest.mark.parametrize("by", By)
def test_whoever_wants_it_has_it_thawed_first_of_all(by: By) -> None:
    life = (frozen() >> Start(by) << (Thaw(), Watch(), OPEN)).done(State.HEALTHY)
    assert life.is_wake is (by is By.REQUEST)
    assert not life.is_drained


def test_a_request_that_comes_before_it_stands_still_finds_it_running() -> None:
    (freezing() >> Start(By.REQUEST) << (DRAIN, Watch(), OPEN)).done(State.HEALTHY)


def test_one_whose_requests_do_not_end_is_not_frozen() -> None:
    play = freezing().at(5) >> TimerFired(Timer.DRAIN) << (DRAIN, Watch(), OPEN)
    play.done(State.HEALTHY)


def test_frozen_long_enough_it_is_stopped() -> None:
    ends = (Thaw(), Terminate(), arm(Timer.GRACE, 5))
    play = frozen() >> Idle() << ends >> Exited(0) << CancelTimer(Timer.GRACE)
    play.done(State.ASLEEP)


@pytest.mark.parametrize("wish", [Stop(), Restart(), Shutdown(), Idle()], ids=repr)
def test_it_is_thawed_before_it_is_told_to_end(wish: LifeEvent) -> None:
    (frozen() >> wish << (Thaw(), Terminate(), arm(Timer.GRACE, 5))).done(State.DRAINING)


def test_a_stop_before_it_stands_still_waits_for_what_is_in_flight() -> None:
    play = freezing().at(1) >> Stop() << arm(Timer.DRAIN, 6)
    (play >> Drained() << (DRAIN, Terminate(), arm(Timer.GRACE, 6))).done(State.DRAINING)


def test_a_stop_that_is_undone_leaves_it_awake() -> None:
    play = frozen() >> Stop(hold_seconds=10) << (Thaw(), arm(Timer.HOLD, 10))
    (play >> Undo() << (CancelTimer(Timer.HOLD), Watch(), OPEN)).done(State.HEALTHY)


def test_killed_while_frozen_it_is_started_again() -> None:
    play = frozen() >> Exited(signal="SIGKILL") << (Thaw(), Launch(), arm(Timer.STARTUP, 10))
    assert play.done(State.STARTING).restarts == 1


def test_only_a_healthy_one_is_frozen() -> None:
    for play in (starting(), degraded(), asleep(), freezing(), frozen()):
        before = play.life
        play >> Quiet() << ()
        assert play.life is before


def test_checks_do_not_touch_it() -> None:
    play = frozen() >> CheckPassed() << ()
    play.done(State.FROZEN)


@pytest.mark.parametrize("is_fresh", [False, True])
def test_the_next_engine_takes_it_up_as_it_is(is_fresh: bool) -> None:
    life = frozen().life
    policy = frozen().policy
    adopted, commands = adopt(life, has_process=True, is_fresh=is_fresh, now=1.0, policy=policy)
    assert (adopted.state, commands) == (State.FROZEN, (Freeze(),))
    assert adopted.state_since == life.state_since


def test_the_next_engine_begins_anew_with_one_that_did_not_stand_still_yet() -> None:
    play = freezing()
    adopted, commands = adopt(
        play.life, has_process=True, is_fresh=False, now=1.0, policy=play.policy
    )
    assert (adopted.state, commands) == (State.HEALTHY, (Watch(), OPEN))


def test_gone_while_no_engine_looked_it_is_started_again() -> None:
    play = frozen()
    adopted, _ = adopt(play.life, has_process=False, is_fresh=False, now=1.0, policy=play.policy)
    assert (adopted.state, adopted.desired) == (State.STARTING, Desired.RUNNING)
