"""The life of an instance as conversations: starting, failing, coming back, what cannot be."""

import pytest

from engine.core.backoff import Backoff
from engine.core.life import exit_why
from engine.core.lifecycle import (
    MOVES,
    ArmTimer,
    By,
    CancelTimer,
    CheckFailed,
    CheckPassed,
    Exited,
    ImpossibleEvent,
    Launch,
    Launched,
    LaunchError,
    Life,
    LifeEvent,
    Policy,
    Process,
    Restart,
    Start,
    Terminate,
    Timer,
    TimerFired,
    Unwatch,
    Watch,
    step,
    wake_refusal,
)
from engine.core.spec import Restart as RestartPolicy
from engine.core.wire import Desired, State, Why
from tests.playbook import (
    OPEN,
    SHUT,
    STARTUP,
    Playbook,
    arm,
    asleep,
    backing_off,
    degraded,
    draining,
    failed,
    healthy,
    launching,
    starting,
    stopped,
    unhealthy,
)

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
    life = Life(name="api:alice", state=State.BACKOFF, process=Process.RUNNING)
    with pytest.raises(ImpossibleEvent, match="from backoff to draining"):
        step(life, Restart(), 0.0, Policy())


def test_the_table_knows_every_state() -> None:
    assert set(MOVES) == set(State)
