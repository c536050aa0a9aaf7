"""The life of an instance: a table of moves and a pure step.

`step` takes a life and what happened, and gives the next life and what is to be done about it.
Route, Watch, Freeze, Thaw, AwaitDrain and the timers are never commanded by hand: they follow
from the difference between the two lives, so that none can be forgotten on any path.

An event that means nothing in a state (a late timer, a check after the stop) changes nothing.
One that cannot be (a launch answered that was not ordered) raises `ImpossibleEvent`.
"""

from __future__ import annotations

from engine.core.adoption import take_up
from engine.core.draft import ImpossibleEvent
from engine.core.life import (
    ROUTED,
    ArmTimer,
    AwaitDrain,
    By,
    CancelTimer,
    CheckFailed,
    CheckPassed,
    Command,
    Drained,
    Exited,
    Freeze,
    Idle,
    Kill,
    Launch,
    Launched,
    LaunchError,
    Life,
    LifeEvent,
    Policy,
    Process,
    Quiet,
    Restart,
    Route,
    Shutdown,
    Start,
    Stop,
    Terminate,
    Thaw,
    Then,
    Timer,
    TimerFired,
    Undo,
    Unwatch,
    Watch,
    exit_why,
)
from engine.core.moves import MOVES
from engine.core.turn import Turn
from engine.core.wire import State

__all__ = [
    "MOVES",
    "ROUTED",
    "ArmTimer",
    "AwaitDrain",
    "By",
    "CancelTimer",
    "CheckFailed",
    "CheckPassed",
    "Command",
    "Drained",
    "Exited",
    "Freeze",
    "Idle",
    "ImpossibleEvent",
    "Kill",
    "Launch",
    "LaunchError",
    "Launched",
    "Life",
    "LifeEvent",
    "Policy",
    "Process",
    "Quiet",
    "Restart",
    "Route",
    "Shutdown",
    "Start",
    "Step",
    "Stop",
    "Terminate",
    "Thaw",
    "Then",
    "Timer",
    "TimerFired",
    "Undo",
    "Unwatch",
    "Watch",
    "adopt",
    "difference",
    "exit_why",
    "step",
    "wake_refusal",
]

Step = tuple[Life, tuple[Command, ...]]


def step(life: Life, event: LifeEvent, now: float, policy: Policy) -> Step:
    """Decide what an event means.

    Args:
        life: The instance as it is.
        event: What happened.
        now: Monotonic seconds.
        policy: What the configuration says now; it may have changed since the last step.

    Returns:
        The next life (the same object where nothing changed) and the commands, in the order in
        which they are to be carried out.

    Raises:
        ImpossibleEvent: A launch is answered that was not ordered.
    """
    turn = Turn(life, now, policy)
    turn.take(event)
    return turn.life, difference(life, turn.life, tuple(turn.acts))


def adopt(
    life: Life,
    *,
    has_process: bool,
    is_fresh: bool,
    now: float,
    policy: Policy,
    exited: Exited | None = None,
) -> Step:
    """Take up a life that an earlier engine left in the database.

    Everything the earlier engine's timers, probes and routes did begins anew: the commands are
    those that lead from nothing to the adopted life.

    Args:
        life: As stored. A whole Life goes on exactly; one made of name, desired and state alone
            goes on with its deadlines set anew.
        has_process: The keeper holds a process of it, alive or with its exit not yet taken.
        is_fresh: The keeper is new as well, so a stopped or failed instance that is desired to
            run is started, and restart budgets begin anew.
        now: Monotonic seconds.
        policy: What the configuration says.
        exited: How the process ended while no engine looked.
    """
    adoption = take_up(life, has_process=has_process, is_fresh=is_fresh, now=now, policy=policy)
    adopted, acts = adoption.life, adoption.acts
    if has_process and exited is not None:
        turn = Turn(adopted, now, policy)
        turn.take(exited)
        adopted, acts = turn.life, turn.acts
    return adopted, difference(Life(name=life.name), adopted, tuple(acts))


def wake_refusal(life: Life, now: float) -> tuple[str, float] | None:
    """Tell why a request cannot have this instance soon.

    Returns:
        None where it runs or comes up, else the reason and the seconds after which to ask
        again (0: not known).
    """
    match life.state:
        case State.BACKOFF:
            return "restarts after a failure", max(0.0, life.until - now)
        case State.FAILED if now < life.retry_at:
            return "failed", life.retry_at - now
        case State.DRAINING if life.then is Then.STOP and not life.is_held:
            return "is being stopped", max(0.0, life.until - now)
        case _:
            return None


def difference(old: Life, new: Life, acts: tuple[Command, ...]) -> tuple[Command, ...]:
    """List what leads from one life to the next: first what closes, then acts, then what opens.

    Thaw is before everything: a request waits for it, and what is frozen hears no signal.
    """
    was_open, is_open = old.state in ROUTED, new.state in ROUTED
    commands: list[Command] = []
    if old.stands_still and not new.stands_still:
        commands.append(Thaw())
    if was_open and not is_open:
        commands.append(Route(is_open=False))
    if old.is_watched and not new.is_watched:
        commands.append(Unwatch())
    commands.extend(CancelTimer(timer) for timer in old.timers if timer not in new.timers)
    commands.extend(acts)
    commands.extend(
        ArmTimer(timer, at) for timer, at in new.timers.items() if old.timers.get(timer) != at
    )
    if new.awaits_drain and not old.awaits_drain:
        commands.append(AwaitDrain())
    if new.is_watched and not old.is_watched:
        commands.append(Watch())
    if is_open and not was_open:
        commands.append(Route(is_open=True))
    if new.stands_still and not old.stands_still:
        commands.append(Freeze())
    return tuple(commands)
