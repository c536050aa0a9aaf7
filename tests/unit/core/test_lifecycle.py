"""The life of an instance as conversations."""

import msgspec
import pytest

from engine.core import life as words
from engine.core.backoff import Backoff
from engine.core.life import CHECKS_UNTIL_UNHEALTHY, exit_why
from engine.core.lifecycle import (
    MOVES,
    ArmTimer,
    AwaitDrain,
    By,
    CancelTimer,
    CheckFailed,
    CheckPassed,
    Drained,
    Exited,
    Idle,
    ImpossibleEvent,
    Kill,
    Launch,
    Launched,
    LaunchError,
    Life,
    LifeEvent,
    Policy,
    Process,
    Restart,
    Route,
    Shutdown,
    Start,
    Stop,
    Terminate,
    Then,
    Timer,
    TimerFired,
    Undo,
    Unwatch,
    Watch,
    adopt,
    step,
    wake_refusal,
)
from engine.core.spec import Restart as RestartPolicy
from engine.core.spec import ServiceSpec, Settings
from engine.core.wire import Desired, State, Why
from tests.playbook import Playbook

OPEN = Route(is_open=True)
SHUT = Route(is_open=False)
STARTUP = CancelTimer(Timer.STARTUP)


def arm(timer: Timer, after: float) -> ArmTimer:
    return ArmTimer(timer, 100.0 + after)


def launching(**policy: object) -> Playbook:
    return (Playbook(**policy) >> Start()).skim()


def starting(**policy: object) -> Playbook:
    return (launching(**policy) >> Launched(7)).skim()


def healthy(**policy: object) -> Playbook:
    return (starting(**policy) >> CheckPassed()).skim()


def degraded(**policy: object) -> Playbook:
    return (healthy(**policy) >> CheckFailed("503 from /health")).skim()


def unhealthy(**policy: object) -> Playbook:
    play = degraded(**policy)
    for _ in range(CHECKS_UNTIL_UNHEALTHY - 1):
        (play >> CheckFailed("503 from /health")).skim()
    return play


def failed(**policy: object) -> Playbook:
    return (healthy(max_restarts=0, **policy) >> Exited(1)).skim()


def backing_off(**policy: object) -> Playbook:
    """Crash twice: the second restart waits a second."""
    play = (healthy(**policy) >> Exited(1)).skim()
    return (((play >> Launched(8)).skim()) >> Exited(1)).skim()


def draining(**policy: object) -> Playbook:
    return (healthy(**policy) >> Stop()).skim()


def held(**policy: object) -> Playbook:
    return (healthy(**policy) >> Stop(hold_seconds=10)).skim()


def ending(**policy: object) -> Playbook:
    return (draining(**policy) >> Drained()).skim()


def stopped(**policy: object) -> Playbook:
    return (ending(**policy) >> Exited(0)).skim()


def falling_asleep(**policy: object) -> Playbook:
    return (healthy(**policy) >> Idle()).skim()


def asleep(**policy: object) -> Playbook:
    play = (falling_asleep(**policy) >> Drained()).skim()
    return (play >> Exited(0)).skim()


# --- starting ---


def test_start_launches_probes_and_opens_the_route_on_the_first_passed_check() -> None:
    life = (
        Playbook()
        >> Start()
        << (Launch(), arm(Timer.STARTUP, 10))
        >> Launched(7)
        << Watch()
        >> CheckPassed()
        << (STARTUP, OPEN)
        >> CheckPassed()
        << ()
    ).done(State.HEALTHY)
    assert (life.pid, life.desired, life.is_wake, life.why) == (7, Desired.RUNNING, False, None)


def test_a_request_starts_a_stopped_one_and_is_remembered() -> None:
    life = (Playbook() >> Start(By.REQUEST) << (Launch(), arm(Timer.STARTUP, 10))).done(
        State.STARTING
    )
    assert life.is_wake


def test_checks_that_fail_while_starting_are_only_remembered() -> None:
    play = starting() >> CheckFailed("connection refused") << ()
    assert play.done(State.STARTING).reason == "connection refused"


def test_not_ready_in_time_is_ended_and_tried_again() -> None:
    play = starting() >> CheckFailed("connection refused") << ()
    life = (
        play.at(10)
        >> TimerFired(Timer.STARTUP, time=5.0)
        << (Unwatch(), STARTUP, Terminate(), arm(Timer.GRACE, 15))
    ).done(State.UNHEALTHY)
    assert life.why == Why(summary="not ready within 10 s: connection refused", since=5.0)
    after = (
        play
        >> Exited(signal="SIGTERM")
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 20))
    ).done(State.STARTING)
    assert (after.restarts, after.attempt) == (1, 1)
    assert after.why == life.why


def test_a_launch_that_hangs_past_its_time_is_ended_when_it_comes() -> None:
    play = (
        launching().at(10)
        >> TimerFired(Timer.STARTUP)
        << STARTUP
        >> Launched(7)
        << (Terminate(), arm(Timer.GRACE, 15))
    )
    assert play.done(State.UNHEALTHY).why == Why(summary="not ready within 10 s")


def test_without_startup_timeout_it_takes_as_long_as_it_takes() -> None:
    (Playbook(startup_seconds=0) >> Start() << Launch()).done(State.STARTING)


def test_a_launch_that_fails_is_tried_again_within_the_budget() -> None:
    why = Why(summary="exec ./app", errno="ENOENT", step="exec", path="./app")
    play = launching(max_restarts=1) >> LaunchError(why) << Launch()
    life = (play >> LaunchError(why) << STARTUP).done(State.FAILED)
    assert (life.why, life.restarts) == (why, 1)


def test_start_of_one_that_runs_changes_nothing() -> None:
    for play in (launching(), starting(), healthy(), degraded()):
        for by in By:
            before = play.life
            play >> Start(by) << ()
            assert play.life is before


# --- health ---


def test_one_failed_check_degrades_and_one_passed_restores() -> None:
    play = healthy() >> CheckFailed("503 from /health", time=9.0) << ()
    assert play.life.why == Why(summary="health check: 503 from /health", since=9.0)
    play.done(State.DEGRADED)
    life = (play >> CheckPassed() << ()).done(State.HEALTHY)
    assert (life.why, life.failures) == (None, 0)


def test_three_failed_checks_end_it_without_draining() -> None:
    life = (
        degraded()
        >> CheckFailed("timeout")
        << ()
        >> CheckFailed("timeout")
        << (SHUT, Unwatch(), Terminate(), arm(Timer.GRACE, 5))
        >> CheckFailed("timeout")
        << ()
        >> TimerFired(Timer.DRAIN)
        << ()
        >> Exited(0)
        << (CancelTimer(Timer.GRACE), Launch(), arm(Timer.STARTUP, 10))
    ).done(State.STARTING)
    assert life.why == Why(summary="health check: timeout")


def test_unhealthy_under_never_ends_failed() -> None:
    life = (unhealthy(restart=RestartPolicy.NEVER) >> Exited(0) << CancelTimer(Timer.GRACE)).done(
        State.FAILED
    )
    assert life.why == Why(summary="health check: 503 from /health")


# --- exits ---


@pytest.mark.parametrize(
    ("policy", "exited", "state"),
    [
        (RestartPolicy.ALWAYS, Exited(0), State.STARTING),
        (RestartPolicy.ALWAYS, Exited(1), State.STARTING),
        (RestartPolicy.ON_FAILURE, Exited(0), State.STOPPED),
        (RestartPolicy.ON_FAILURE, Exited(1), State.STARTING),
        (RestartPolicy.ON_FAILURE, Exited(signal="SIGSEGV"), State.STARTING),
        (RestartPolicy.ON_FAILURE, Exited(), State.STARTING),
        (RestartPolicy.NEVER, Exited(0), State.STOPPED),
        (RestartPolicy.NEVER, Exited(1), State.FAILED),
        (RestartPolicy.NEVER, Exited(signal="SIGKILL"), State.FAILED),
    ],
)
def test_restart_policy(policy: RestartPolicy, exited: Exited, state: State) -> None:
    for play in (starting(restart=policy), healthy(restart=policy), degraded(restart=policy)):
        life = (play >> exited).skim().done(state)
        assert life.why is not None
        assert life.pid == 0
        assert life.desired is Desired.RUNNING


def test_a_crash_closes_the_route_and_launches_at_once_the_first_time() -> None:
    (healthy() >> Exited(1) << (SHUT, Unwatch(), Launch(), arm(Timer.STARTUP, 10))).done(
        State.STARTING
    )


def test_crashes_wait_longer_each_time_until_the_budget_is_spent() -> None:
    play = (healthy() >> Exited(1)).skim()
    delays = []
    for _ in range(2):
        (((play >> Launched(8)).skim()) >> Exited(1)).skim()
        play.done(State.BACKOFF)
        delays.append(play.life.until - play.now)
        (play.at(play.life.until - 100) >> TimerFired(Timer.BACKOFF)).skim()
    assert 1.0 <= delays[0] <= 1.1
    assert 2.0 <= delays[1] <= 2.2
    (play >> Launched(8)).skim()
    life = (play >> Exited(1) << (Unwatch(), STARTUP)).done(State.FAILED)
    assert (life.restarts, len(life.recent)) == (3, 3)
    assert life.until == 0


def test_backoff_arms_its_timer_and_the_timer_launches() -> None:
    play = (healthy(backoff=Backoff(1.0, 60.0)) >> Exited(1)).skim()
    (play >> Launched(8)).skim()
    (play >> Exited(1)).skim()
    at = play.life.timers[Timer.BACKOFF]
    play.at(at - 100)
    (
        play
        >> TimerFired(Timer.BACKOFF)
        << (CancelTimer(Timer.BACKOFF), Launch(), ArmTimer(Timer.STARTUP, at + 10))
    ).done(State.STARTING)


def test_a_window_without_restarts_renews_the_budget() -> None:
    play = (healthy(max_restarts=1) >> Exited(1)).skim()
    (play >> Launched(8)).skim()
    (play >> CheckPassed()).skim()
    (play.at(299) >> Exited(1)).skim().done(State.FAILED)
    play = (healthy(max_restarts=1) >> Exited(1)).skim()
    (play >> Launched(8)).skim()
    (play >> CheckPassed()).skim()
    (play.at(301) >> Exited(1)).skim().done(State.STARTING)


def test_a_window_of_health_forgets_the_attempts() -> None:
    play = (backing_off().at(2) >> TimerFired(Timer.BACKOFF)).skim()
    (play >> Launched(8)).skim()
    (play >> CheckPassed()).skim()
    assert play.life.attempt == 2
    (play.at(302) >> CheckFailed("slow")).skim()
    assert play.life.attempt == 0


def test_without_a_window_restarts_are_unlimited_but_still_slow_down() -> None:
    play = healthy(window_seconds=0)
    for _ in range(6):
        (play >> Exited(1)).skim()
        if play.life.state is State.BACKOFF:
            (play.at(play.life.until - 100) >> TimerFired(Timer.BACKOFF)).skim()
        (play >> Launched(8)).skim()
        (play >> CheckPassed()).skim()
    assert (play.done(State.HEALTHY).attempt, play.life.restarts) == (6, 6)
    (play.at(play.now - 90) >> Exited(1)).skim().done(State.STARTING)


def test_a_budget_past_a_thousand_is_no_limit_and_the_memory_of_it_is_bounded() -> None:
    play = healthy(max_restarts=2**32 - 1, backoff=Backoff(0, 0))
    for _ in range(1100):
        (play >> Exited(1)).skim()
        (play >> Launched(8)).skim()
    assert play.life.restarts == 1100
    assert len(play.life.recent) == 1000


def test_an_exit_told_twice_changes_nothing() -> None:
    for play in (stopped(), failed(), asleep(), backing_off()):
        before = play.life
        play >> Exited(1) << ()
        assert play.life is before


def test_exit_before_the_answer_to_launch_counts() -> None:
    (launching() >> Exited(1) << Launch()).done(State.STARTING)


@pytest.mark.parametrize(
    ("exited", "summary"),
    [
        (Exited(3), "exited with 3"),
        (Exited(signal="SIGSEGV"), "killed by SIGSEGV"),
        (Exited(), "ended while nobody looked; its exit status is not known"),
        (Exited(1, why=Why(summary="out of memory")), "out of memory"),
    ],
)
def test_exit_in_words(exited: Exited, summary: str) -> None:
    assert exit_why(exited).summary == summary


# --- failed, and requests ---


def test_a_failed_one_is_started_by_the_user_at_once_with_a_new_budget() -> None:
    life = (failed() >> Start() << (Launch(), arm(Timer.STARTUP, 10))).done(State.STARTING)
    assert (life.recent, life.attempt, life.why) == ((), 0, None)


def test_requests_start_a_failed_one_ever_more_slowly() -> None:
    play = failed()
    assert play.life.retry_at == 100
    (play >> Start(By.REQUEST) << (Launch(), arm(Timer.STARTUP, 10))).done(State.STARTING)
    (play >> Launched(8)).skim()
    (play >> Exited(1)).skim().done(State.FAILED)
    assert 101 <= play.life.retry_at <= 101.1
    before = play.life
    play >> Start(By.REQUEST) << ()
    assert play.life is before
    assert wake_refusal(play.life, play.now) == ("failed", play.life.retry_at - 100)
    assert wake_refusal(play.life, 200) is None


def test_backoff_does_not_heed_requests_but_the_user() -> None:
    play = backing_off() >> Start(By.REQUEST) << ()
    refusal = wake_refusal(play.life, play.now)
    assert refusal is not None
    assert 1 <= refusal[1] <= 1.1
    for event in (Start(), Restart()):
        (
            backing_off() >> event << (CancelTimer(Timer.BACKOFF), Launch(), arm(Timer.STARTUP, 10))
        ).done(State.STARTING)


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


# --- late and impossible ---


def test_late_timers_do_nothing() -> None:
    for play in (healthy(), stopped(), failed(), asleep()):
        before = play.life
        for timer in Timer:
            play >> TimerFired(timer) << ()
        assert play.life is before


def test_a_timer_that_fires_early_is_armed_again() -> None:
    starting().at(9) >> TimerFired(Timer.STARTUP) << arm(Timer.STARTUP, 10)
    (starting().at(9.96) >> TimerFired(Timer.STARTUP)).skim().done(State.UNHEALTHY)


def test_checks_that_come_after_the_end_do_nothing() -> None:
    for play in (launching(), draining(), unhealthy(), stopped(), backing_off()):
        before = play.life
        play >> CheckPassed() << () >> CheckFailed("late") << ()
        assert play.life is before


@pytest.mark.parametrize("event", [Launched(9), LaunchError(Why(summary="no"))], ids=repr)
def test_an_answer_to_no_launch_is_impossible(event: LifeEvent) -> None:
    for play in (healthy(), draining(), stopped(), asleep(), failed()):
        with pytest.raises(ImpossibleEvent, match="api:alice"):
            play >> event


def test_a_move_that_is_not_in_the_table_is_impossible() -> None:
    life = Life(name="api:alice", state=State.FROZEN, process=Process.RUNNING)
    with pytest.raises(ImpossibleEvent, match="from frozen to draining"):
        step(life, Stop(), 0.0, Policy())


def test_the_table_knows_every_state() -> None:
    assert set(MOVES) == set(State)


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
