"""The life of an instance as conversations: over the end of an engine, and into the next."""

import msgspec
import pytest

from engine.core import life as words
from engine.core.backoff import Backoff
from engine.core.lifecycle import (
    ArmTimer,
    AwaitDrain,
    CancelTimer,
    Drained,
    Exited,
    Launch,
    Life,
    Policy,
    Restart,
    Shutdown,
    Terminate,
    Then,
    Timer,
    Undo,
    Unwatch,
    Watch,
    adopt,
)
from engine.core.spec import ServiceSpec, Settings
from engine.core.wire import Desired, State
from tests.playbook import (
    OPEN,
    SHUT,
    Playbook,
    arm,
    asleep,
    backing_off,
    degraded,
    draining,
    ending,
    failed,
    falling_asleep,
    healthy,
    held,
    launching,
    starting,
    stopped,
    unhealthy,
)

# --- going down with the engine ---


def test_shutdown_ends_everything_and_keeps_what_is_desired() -> None:
    life = (
        healthy()
        >> Shutdown()
        << (SHUT, Unwatch(), arm(Timer.DRAIN, 5), AwaitDrain())
        >> Drained()
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 5))
        >> Exited(0)
        << CancelTimer(Timer.GRACE)
    ).done(State.STOPPED)
    assert life.desired is Desired.RUNNING


def test_shutdown_cancels_what_would_start_again() -> None:
    (backing_off() >> Shutdown() << CancelTimer(Timer.BACKOFF)).done(State.STOPPED)
    (unhealthy() >> Shutdown() << () >> Exited(1) << CancelTimer(Timer.GRACE)).done(State.STOPPED)
    play = (healthy() >> Restart()).skim()
    (play >> Shutdown() << () >> Exited(1) << CancelTimer(Timer.DRAIN)).done(State.STOPPED)


def test_shutdown_ends_a_hold_and_lets_the_sleepy_sleep() -> None:
    play = held() >> Drained() << CancelTimer(Timer.DRAIN)
    (play >> Shutdown() << (CancelTimer(Timer.HOLD), Terminate(), arm(Timer.GRACE, 5))).done(
        State.DRAINING
    )
    (falling_asleep() >> Shutdown() << () >> Exited(0) << CancelTimer(Timer.DRAIN)).done(
        State.ASLEEP
    )


def test_shutdown_leaves_what_is_down() -> None:
    for play in (stopped(), asleep(), failed()):
        before = play.life
        play >> Shutdown() << ()
        assert play.life is before


# --- after an engine's restart ---


def take_up(life: Life, **options: object) -> Playbook:
    """Adopt with defaults and let the playbook check the commands."""
    play = Playbook(life)
    arguments: dict[str, object] = {"has_process": True, "is_fresh": False} | options
    play.life, play._unread = adopt(life, now=play.now, policy=play.policy, **arguments)  # type: ignore[arg-type]
    return play


def test_a_healthy_one_goes_on() -> None:
    life = healthy().life
    (take_up(life) << (Watch(), OPEN)).done(State.HEALTHY)


def test_a_life_survives_being_written_down() -> None:
    for play in (healthy(), held(), backing_off(), unhealthy()):
        text = msgspec.json.encode(play.life)
        assert msgspec.json.decode(text, type=Life) == play.life


def test_deadlines_go_on() -> None:
    (take_up(starting().life) << (arm(Timer.STARTUP, 10), Watch())).done(State.STARTING)
    (take_up(held().life) << (arm(Timer.DRAIN, 5), arm(Timer.HOLD, 10), AwaitDrain())).done(
        State.DRAINING
    )
    play = take_up((held() >> Drained()).skim().life) << arm(Timer.HOLD, 10)
    (play >> Undo() << (CancelTimer(Timer.HOLD), Watch(), OPEN)).done(State.HEALTHY)
    (take_up(ending().life) << (Terminate(), arm(Timer.GRACE, 5))).done(State.DRAINING)


def test_backoff_goes_on_and_is_over_at_once_without_its_deadline() -> None:
    life = backing_off().life
    (take_up(life, has_process=False) << ArmTimer(Timer.BACKOFF, life.until)).done(State.BACKOFF)
    bare = Life(name="api:alice", state=State.BACKOFF)
    (take_up(bare, has_process=False) << arm(Timer.BACKOFF, 0)).done(State.BACKOFF)


@pytest.mark.parametrize(
    "state", [State.STARTING, State.BACKOFF, State.FAILED, State.ASLEEP, State.STOPPED]
)
def test_a_process_that_the_database_does_not_know_of_is_proven_first(state: State) -> None:
    life = Life(name="api:alice", state=state)
    (take_up(life) << (arm(Timer.STARTUP, 10), Watch())).done(State.STARTING)


@pytest.mark.parametrize("state", [State.HEALTHY, State.STOPPED, State.DRAINING])
def test_a_process_that_should_not_be_is_ended(state: State) -> None:
    life = Life(name="api:alice", state=state, desired=Desired.STOPPED)
    assert (take_up(life) << (arm(Timer.DRAIN, 5), AwaitDrain())).done(
        State.DRAINING
    ).then is Then.STOP


def test_an_unhealthy_one_is_ended_again() -> None:
    for life in (unhealthy().life, Life(name="api:alice", state=State.UNHEALTHY)):
        play = take_up(life) << (Terminate(), arm(Timer.GRACE, 5))
        (play >> Exited(1)).skim().done(State.STARTING)


def test_draining_for_reasons_unknown_comes_back() -> None:
    play = take_up(Life(name="api:alice", state=State.DRAINING)).skim()
    (play >> Drained()).skim()
    (play >> Exited(0)).skim().done(State.STARTING)


def test_an_exit_that_nobody_saw_is_applied() -> None:
    play = take_up(healthy().life, exited=Exited(1)) << (Launch(), arm(Timer.STARTUP, 10))
    assert play.done(State.STARTING).restarts == 1
    (take_up(ending().life, exited=Exited(0)) << ()).done(State.STOPPED)


def test_a_reboot_brings_back_what_ran() -> None:
    for old in (healthy(), starting(), degraded(), unhealthy(), backing_off(), failed()):
        play = take_up(old.life, has_process=False, is_fresh=True) << (
            Launch(),
            arm(Timer.STARTUP, 10),
        )
        life = play.done(State.STARTING)
        assert (life.recent, life.attempt) == ((), 0)


def test_a_reboot_brings_back_what_the_shutdown_ended() -> None:
    life = (((healthy() >> Shutdown()).skim()) >> Exited(0)).skim().done(State.STOPPED)
    (take_up(life, has_process=False, is_fresh=True)).skim().done(State.STARTING)


def test_a_reboot_leaves_asleep_what_slept_and_stopped_what_was_stopped() -> None:
    for old, state in (
        (asleep(), State.ASLEEP),
        (falling_asleep(), State.ASLEEP),
        (stopped(), State.STOPPED),
        (draining(), State.STOPPED),
    ):
        life = (take_up(old.life, has_process=False, is_fresh=True) << ()).done(state)
        assert life.then is Then.NOTHING


def test_an_engine_restart_alone_starts_nothing_that_was_down() -> None:
    done = (healthy() >> Exited(0)).skim()
    for old in (done, failed(), stopped(), asleep()):
        (take_up(old.life, has_process=False) << ()).done(old.life.state)


def test_a_process_that_vanished_unseen_is_restarted_by_policy() -> None:
    life = (take_up(healthy().life, has_process=False) << (Launch(), arm(Timer.STARTUP, 10))).done(
        State.STARTING
    )
    assert life.restarts == 1
    assert life.why is not None


def test_a_launch_that_was_never_carried_out_is_ordered_again() -> None:
    life = (
        take_up(launching().life, has_process=False) << (Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)
    assert life.restarts == 0


def test_policy_comes_from_the_configuration() -> None:
    spec = ServiceSpec(name="api", command="x", startup_timeout_seconds=3, drain_seconds=1.5)
    settings = Settings(data_dir="/d", backoff_base_ms=500, max_restarts=9)
    policy = Policy.of(spec, settings)
    assert policy == Policy(
        max_restarts=9, backoff=Backoff(0.5, 60.0), startup_seconds=3, drain_seconds=1.5
    )
    assert words.Policy is Policy
