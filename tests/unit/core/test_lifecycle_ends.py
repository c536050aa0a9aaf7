"""The life of an instance as conversations: stop, hold, restart and sleep."""

from engine.core.lifecycle import (
    AwaitDrain,
    By,
    CancelTimer,
    Drained,
    Exited,
    Idle,
    Kill,
    Launch,
    Launched,
    LaunchError,
    Restart,
    Start,
    Stop,
    Terminate,
    Then,
    Timer,
    TimerFired,
    Undo,
    Unwatch,
    Watch,
    wake_refusal,
)
from engine.core.wire import Desired, State, Why
from tests.playbook import (
    OPEN,
    SHUT,
    STARTUP,
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

# --- stopping ---


def test_stop_drains_terminates_kills_and_goes_on_killing() -> None:
    life = (
        healthy()
        >> Stop()
        << (SHUT, Unwatch(), arm(Timer.DRAIN, 5), AwaitDrain())
        >> Drained()
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 5))
        >> Drained()
        << ()
    ).at(5)
    life >> TimerFired(Timer.GRACE) << (Kill(), arm(Timer.GRACE, 6))
    life.at(6) >> TimerFired(Timer.GRACE) << (Kill(), arm(Timer.GRACE, 7))
    end = (life >> Exited(signal="SIGKILL") << CancelTimer(Timer.GRACE)).done(State.STOPPED)
    assert (end.desired, end.why, end.then) == (Desired.STOPPED, None, Then.NOTHING)


def test_requests_that_do_not_end_are_cut_after_the_drain_time() -> None:
    (
        draining().at(5)
        >> TimerFired(Timer.DRAIN)
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 10))
    ).done(State.DRAINING)


def test_without_drain_time_it_is_terminated_at_once() -> None:
    (
        healthy(drain_seconds=0) >> Stop() << (SHUT, Unwatch(), Terminate(), arm(Timer.GRACE, 5))
    ).done(State.DRAINING)


def test_stop_while_starting_does_not_wait_for_requests() -> None:
    (starting() >> Stop() << (Unwatch(), STARTUP, Terminate(), arm(Timer.GRACE, 5))).done(
        State.DRAINING
    )


def test_stop_while_launching_waits_for_the_launch() -> None:
    (
        launching()
        >> Stop()
        << STARTUP
        >> Launched(7)
        << (Terminate(), arm(Timer.GRACE, 5))
        >> Exited(0)
        << CancelTimer(Timer.GRACE)
    ).done(State.STOPPED)
    why = Why(summary="no")
    assert (launching() >> Stop() << STARTUP >> LaunchError(why) << ()).done(
        State.STOPPED
    ).why == why


def test_stop_of_one_without_a_process_is_done_at_once() -> None:
    life = (backing_off() >> Stop() << CancelTimer(Timer.BACKOFF)).done(State.STOPPED)
    assert (life.desired, life.why) == (Desired.STOPPED, None)
    for play in (failed(), asleep(), stopped()):
        assert (play >> Stop() << ()).done(State.STOPPED).desired is Desired.STOPPED


def test_stop_of_an_unhealthy_one_keeps_it_from_coming_back() -> None:
    (unhealthy() >> Stop() << () >> Exited(1) << CancelTimer(Timer.GRACE)).done(State.STOPPED)


def test_a_crash_while_draining_ends_the_stop() -> None:
    life = (draining() >> Exited(1) << CancelTimer(Timer.DRAIN)).done(State.STOPPED)
    assert life.why == Why(summary="exited with 1", exit_code=1)


def test_requests_do_not_overrule_a_stop() -> None:
    for play in (draining(), ending(), held()):
        before = play.life
        play >> Start(By.REQUEST) << ()
        assert play.life is before
        refusal = wake_refusal(play.life, play.now)
        assert refusal is not None
        assert refusal[0] == "is being stopped"


def test_the_user_may_turn_a_stop_round() -> None:
    (draining() >> Start() << (CancelTimer(Timer.DRAIN), Watch(), OPEN)).done(State.HEALTHY)
    life = (
        ending()
        >> Start()
        << ()
        >> Exited(0)
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)
    assert life.desired is Desired.RUNNING


# --- hold and undo ---


def test_a_held_stop_keeps_the_process_until_the_window_closes() -> None:
    play = (
        healthy()
        >> Stop(hold_seconds=10)
        << (SHUT, Unwatch(), arm(Timer.DRAIN, 5), arm(Timer.HOLD, 10), AwaitDrain())
        >> Drained()
        << CancelTimer(Timer.DRAIN)
    )
    assert (play.life.undo, play.life.until, play.life.hold_until) == ("stop", 110, 110)
    (
        play.at(10)
        >> TimerFired(Timer.HOLD)
        << (CancelTimer(Timer.HOLD), Terminate(), arm(Timer.GRACE, 15))
        >> Undo()
        << ()
        >> Exited(0)
        << CancelTimer(Timer.GRACE)
    ).done(State.STOPPED)


def test_undo_reopens_the_route_to_the_same_process() -> None:
    play = held() >> Drained() << CancelTimer(Timer.DRAIN)
    life = (play >> Undo() << (CancelTimer(Timer.HOLD), Watch(), OPEN)).done(State.HEALTHY)
    assert (life.pid, life.desired, life.undo) == (7, Desired.RUNNING, "")


def test_a_request_wakes_what_is_held_but_not_what_still_drains() -> None:
    play = held()
    play >> Start(By.REQUEST) << ()
    play >> Drained() << CancelTimer(Timer.DRAIN)
    assert play.life.is_held
    assert wake_refusal(play.life, 1.0) is None
    life = (play >> Start(By.REQUEST) << (CancelTimer(Timer.HOLD), Watch(), OPEN)).done(
        State.HEALTHY
    )
    assert (life.pid, life.desired, life.is_held) == (7, Desired.RUNNING, False)


def test_undo_before_it_was_drained() -> None:
    (held() >> Undo() << (CancelTimer(Timer.DRAIN), CancelTimer(Timer.HOLD), Watch(), OPEN)).done(
        State.HEALTHY
    )


def test_undo_leads_back_to_where_it_came_from() -> None:
    play = degraded() >> Stop(hold_seconds=10)
    life = (play.skim() >> Undo()).skim().done(State.DEGRADED)
    assert life.failures == 1
    play = starting() >> Stop(hold_seconds=10) << (Unwatch(), STARTUP, arm(Timer.HOLD, 10))
    (play.at(3) >> Undo() << (CancelTimer(Timer.HOLD), arm(Timer.STARTUP, 13), Watch())).done(
        State.STARTING
    )


def test_undo_of_a_launch_that_is_not_answered_yet() -> None:
    (
        launching()
        >> Stop(hold_seconds=10)
        << (STARTUP, arm(Timer.HOLD, 10))
        >> Undo()
        << (CancelTimer(Timer.HOLD), arm(Timer.STARTUP, 10))
        >> Launched(7)
        << Watch()
    ).done(State.STARTING)


def test_undo_without_a_hold_changes_nothing() -> None:
    for play in (healthy(), draining(), ending(), stopped(), failed(), falling_asleep()):
        before = play.life
        play >> Undo() << ()
        assert play.life is before


def test_a_crash_in_the_hold_ends_stopped() -> None:
    life = (
        held() >> Exited(signal="SIGSEGV") << (CancelTimer(Timer.DRAIN), CancelTimer(Timer.HOLD))
    ).done(State.STOPPED)
    assert life.why is not None
    assert life.undo == ""


def test_a_hold_shorter_than_the_drain_waits_for_both() -> None:
    play = (healthy() >> Stop(hold_seconds=2)).skim()
    play.at(2) >> TimerFired(Timer.HOLD) << CancelTimer(Timer.HOLD)
    (
        play.at(5)
        >> TimerFired(Timer.DRAIN)
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 10))
    ).done(State.DRAINING)


def test_a_second_stop_ends_the_hold_a_second_hold_changes_nothing() -> None:
    play = held() >> Drained() << CancelTimer(Timer.DRAIN) >> Stop(hold_seconds=99) << ()
    (play >> Stop() << (CancelTimer(Timer.HOLD), Terminate(), arm(Timer.GRACE, 5))).done(
        State.DRAINING
    )


def test_a_stop_without_hold_may_still_be_given_one() -> None:
    (draining() >> Stop(hold_seconds=10) << arm(Timer.HOLD, 10)).done(State.DRAINING)
    assert (ending() >> Stop(hold_seconds=10) << ()).done(State.DRAINING).undo == ""


# --- restarting ---


def test_restart_drains_then_launches_and_counts_nothing() -> None:
    life = (
        healthy()
        >> Restart()
        << (SHUT, Unwatch(), arm(Timer.DRAIN, 5), AwaitDrain())
        >> Start(By.REQUEST)
        << ()
        >> Drained()
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 5))
        >> Exited(signal="SIGTERM")
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)
    assert (life.restarts, life.attempt, life.desired) == (0, 0, Desired.RUNNING)


def test_restart_of_one_that_is_down_starts_it() -> None:
    for play in (stopped(), failed(), asleep()):
        (play >> Restart() << (Launch(), arm(Timer.STARTUP, 10))).done(State.STARTING)


def test_restart_while_launching_starts_anew_once_it_is_gone() -> None:
    (
        launching()
        >> Restart()
        << STARTUP
        >> Launched(7)
        << (Terminate(), arm(Timer.GRACE, 5))
        >> Exited(0)
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)


def test_restart_of_a_held_one_ends_the_hold() -> None:
    play = held() >> Drained() << CancelTimer(Timer.DRAIN)
    life = (play >> Restart() << (CancelTimer(Timer.HOLD), Terminate(), arm(Timer.GRACE, 5))).done(
        State.DRAINING
    )
    assert (life.then, life.desired) == (Then.START, Desired.RUNNING)


def test_restart_of_an_unhealthy_one_is_not_counted() -> None:
    life = (
        unhealthy()
        >> Restart()
        << ()
        >> Exited(1)
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)
    assert (life.restarts, life.why) == (0, None)


def test_start_of_an_unhealthy_one_is_not_counted_either() -> None:
    play = unhealthy(max_restarts=0) >> Start(By.REQUEST) << () >> Start() << ()
    (play >> Exited(1)).skim().done(State.STARTING)


def test_stop_while_restarting_stops() -> None:
    play = (healthy() >> Restart()).skim()
    (play >> Stop() << ()).done(State.DRAINING)
    (play >> Exited(0)).skim()
    assert play.done(State.STOPPED).desired is Desired.STOPPED


# --- sleeping ---


def test_idle_drains_and_sleeps_and_a_request_wakes() -> None:
    play = (
        healthy()
        >> Idle()
        << (SHUT, Unwatch(), arm(Timer.DRAIN, 5), AwaitDrain())
        >> Drained()
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 5))
        >> Exited(0)
        << CancelTimer(Timer.GRACE)
    )
    assert play.done(State.ASLEEP).desired is Desired.RUNNING
    assert wake_refusal(play.life, play.now) is None
    (play >> Start(By.REQUEST) << (Launch(), arm(Timer.STARTUP, 10))).done(State.STARTING)


def test_a_request_that_comes_while_it_falls_asleep_keeps_it_up() -> None:
    (falling_asleep() >> Start(By.REQUEST) << (CancelTimer(Timer.DRAIN), Watch(), OPEN)).done(
        State.HEALTHY
    )


def test_a_request_that_comes_too_late_starts_it_again_at_once() -> None:
    life = (
        falling_asleep()
        >> Drained()
        << (CancelTimer(Timer.DRAIN), Terminate(), arm(Timer.GRACE, 5))
        >> Start(By.REQUEST)
        << ()
        >> Exited(0)
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)
    assert life.is_wake


def test_stop_while_it_falls_asleep_stops() -> None:
    (falling_asleep() >> Stop() << ()).done(State.DRAINING)
    life = (falling_asleep() >> Stop() << () >> Exited(0) << CancelTimer(Timer.DRAIN)).done(
        State.STOPPED
    )
    assert life.desired is Desired.STOPPED


def test_idle_means_nothing_elsewhere() -> None:
    for play in (starting(), draining(), stopped(), unhealthy(), backing_off()):
        before = play.life
        play >> Idle() << ()
        assert play.life is before
