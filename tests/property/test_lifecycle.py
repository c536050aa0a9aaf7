"""Any order of events: an instance never sticks, never doubles, never serves while unwell."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.backoff import Backoff
from engine.core.lifecycle import (
    MOVES,
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
from engine.core.wire import Desired, State, Why

WISHES = st.one_of(
    st.builds(Start, st.sampled_from(By)),
    st.builds(Stop, st.sampled_from([0.0, 2.0, 10.0])),
    st.builds(Shutdown),
    st.builds(Restart),
    st.builds(Undo),
    st.builds(Idle),
    st.builds(Quiet),
)
EXITS = st.one_of(
    st.builds(Exited, st.integers(0, 3)),
    st.builds(Exited, st.none(), st.sampled_from(["SIGTERM", "SIGKILL", "SIGSEGV"])),
    st.just(Exited()),
)

NOISE = st.one_of(EXITS, st.just(Drained()), st.builds(TimerFired, st.sampled_from(Timer)))


class World:
    """Host, keeper, prober and door; the program ignores SIGTERM."""

    def __init__(self) -> None:
        self.is_alive = False
        self.is_launching = False
        self.kills = 0
        self.is_open = False
        self.is_watched = False
        self.is_still = False
        self.timers: dict[Timer, float] = {}

    def forget(self) -> None:
        """The engine dies: what it held is gone, the process is not."""
        self.is_open = self.is_watched = False
        self.timers = {}

    def obey(self, command: Command) -> None:
        match command:
            case Launch():
                assert not self.is_alive
                assert not self.is_launching
                self.is_launching = True
            case Terminate() | Kill():
                assert self.is_alive
                assert not self.is_still, "what is frozen hears no signal"
                self.kills += isinstance(command, Kill)
            case Route(is_open=is_open):
                assert is_open is not self.is_open
                self.is_open = is_open
            case ArmTimer(timer=timer, at=at):
                self.timers[timer] = at
            case CancelTimer(timer=timer):
                self.timers.pop(timer, None)
            case Watch():
                assert not self.is_watched
                self.is_watched = True
            case Unwatch():
                assert self.is_watched
                self.is_watched = False
            case AwaitDrain():
                pass
            case Freeze() | Thaw():
                self.stand_still(command)

    def stand_still(self, command: Freeze | Thaw) -> None:
        if isinstance(command, Freeze):
            assert self.is_alive
            assert not self.is_open
        else:
            assert self.is_still
        self.is_still = isinstance(command, Freeze)


class LifeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.life = Life(name="api:alice")
        self.world = World()
        self.policy = Policy()
        self.now = 1000.0

    @initialize(
        restart=st.sampled_from(RestartPolicy),
        max_restarts=st.sampled_from([0, 1, 3, 5000]),
        startup=st.sampled_from([0.0, 10.0]),
        drain=st.sampled_from([0.0, 5.0]),
        grace=st.sampled_from([0.0, 5.0]),
        base=st.sampled_from([0.0, 1.0]),
    )
    def configure(self, restart: RestartPolicy, max_restarts: int, **seconds: float) -> None:
        self.policy = Policy(
            restart=restart,
            max_restarts=max_restarts,
            startup_seconds=seconds["startup"],
            drain_seconds=seconds["drain"],
            grace_seconds=seconds["grace"],
            backoff=Backoff(seconds["base"], 60.0),
        )

    def play(self, event: LifeEvent) -> None:
        before = self.life
        self.life, commands = step(before, event, self.now, self.policy)
        if self.life.state is not before.state:
            assert self.life.state in MOVES[before.state]
        if self.life is before:
            assert not [c for c in commands if not isinstance(c, ArmTimer)]
        self.obey(commands)

    def obey(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            self.world.obey(command)

    # --- what people and the host do ---

    @rule(event=WISHES)
    def wish(self, event: LifeEvent) -> None:
        self.play(event)

    @precondition(lambda self: self.world.is_launching)
    @rule(is_good=st.booleans())
    def answer_launch(self, is_good: bool) -> None:
        self.world.is_launching = False
        if is_good:
            self.world.is_alive, self.world.kills = True, 0
            self.play(Launched(7))
        else:
            self.play(LaunchError(Why(summary="no")))

    @precondition(lambda self: self.world.is_alive)
    @rule(event=EXITS)
    def exit(self, event: Exited) -> None:
        self.world.is_alive = False
        self.play(event)

    @rule(is_good=st.booleans())
    def check(self, is_good: bool) -> None:
        self.play(CheckPassed() if is_good else CheckFailed("503"))

    @rule(event=NOISE)
    def noise(self, event: LifeEvent) -> None:
        """Say again what was said, or too late."""
        is_early = isinstance(event, TimerFired) and event.timer in self.world.timers
        has_process = self.world.is_alive or self.world.is_launching
        if not is_early and not (isinstance(event, Exited) and has_process):
            self.play(event)

    @rule()
    def come_up(self) -> None:
        """Lead to the states that are far from the start."""
        self.play(Start())
        self.wait(6.0)
        if self.world.is_launching:
            self.answer_launch(is_good=True)
        self.play(CheckPassed())

    @precondition(lambda self: self.life.state is State.HEALTHY)
    @rule()
    def freeze(self) -> None:
        self.play(Quiet())
        assert not self.world.is_still, "a door may still have a request for it"
        self.play(Drained())
        assert self.world.is_still

    @precondition(lambda self: self.life.state is State.FROZEN)
    @rule()
    def a_request_comes(self) -> None:
        self.play(Start(By.REQUEST))
        assert self.life.state is State.HEALTHY

    @precondition(lambda self: self.life.state in ROUTED)
    @rule()
    def sicken(self) -> None:
        for _ in range(3):
            self.play(CheckFailed("503"))

    @rule(seconds=st.sampled_from([0.01, 1.0, 4.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass; what is due by then fires in order, each at its time."""
        end = self.now + seconds
        for _ in range(1000):
            due = [(at, timer) for timer, at in self.world.timers.items() if at <= end]
            if not due:
                break
            self.fire(*min(due))
        self.now = max(self.now, end)

    def fire(self, at: float, timer: Timer) -> None:
        self.now = max(self.now, at)
        del self.world.timers[timer]
        self.play(TimerFired(timer))
        if self.world.kills > 1 and self.world.is_alive:
            # The first kill found it in a system call that cannot be interrupted.
            self.world.is_alive = False
            self.play(Exited(signal="SIGKILL"))

    @rule(is_bare=st.booleans(), is_keeper=st.booleans(), is_lost=st.booleans())
    def engine_dies(self, is_bare: bool, is_keeper: bool, is_lost: bool) -> None:
        """A new engine takes up what was written down, the whole life or its bare state."""
        stored = self.life
        if is_bare:
            stored = Life(name=stored.name, desired=stored.desired, state=stored.state)
        stored = msgspec.json.decode(msgspec.json.encode(stored), type=Life)
        self.world.forget()
        # The keeper finishes a launch it has read, or never read it.
        self.world.is_alive = self.world.is_alive or (self.world.is_launching and not is_lost)
        self.world.is_launching = False
        self.life, commands = adopt(
            stored,
            has_process=self.world.is_alive,
            is_fresh=is_keeper and not self.world.is_alive,
            now=self.now,
            policy=self.policy,
        )
        # The engine reads the freezer of what it takes up, before anything else.
        self.world.is_still = self.world.is_still and self.life.stands_still
        self.obey(commands)

    @rule(event=EXITS)
    def exit_while_the_engine_is_away(self, event: Exited) -> None:
        if self.world.is_alive:
            self.world.forget()
            self.world.is_alive = self.world.is_still = False
            self.life, commands = adopt(
                self.life,
                has_process=True,
                is_fresh=False,
                now=self.now,
                policy=self.policy,
                exited=event,
            )
            self.obey(commands)

    def teardown(self) -> None:
        self.stop_to_the_end(hold_seconds=0.0, is_kind=False)

    @rule(hold_seconds=st.sampled_from([0.0, 10.0]), is_kind=st.booleans())
    def stop_to_the_end(self, hold_seconds: float, is_kind: bool) -> None:
        """After Stop it ends stopped, whatever the program does, unless one wakes what is held."""
        self.play(Stop(hold_seconds))
        if self.world.is_launching:
            self.answer_launch(is_good=True)
        if self.life.state is State.DRAINING and not self.life.is_held:
            self.play(Start(By.REQUEST))
        if is_kind and self.world.is_alive:
            self.exit(Exited(0))
        self.wait(30.0)
        assert self.life.state is State.STOPPED
        assert self.life.desired is Desired.STOPPED
        assert not self.world.is_alive
        assert not self.world.timers

    # --- what always holds ---

    @invariant()
    def the_world_is_as_the_life_says(self) -> None:
        life, world = self.life, self.world
        assert world.timers == life.timers
        assert world.is_watched == life.is_watched
        assert world.is_still == life.stands_still
        assert world.is_launching == (life.process is Process.LAUNCHING)
        assert world.is_alive == (life.process in {Process.RUNNING, Process.ENDING})

    @invariant()
    def only_a_well_one_is_routed_to(self) -> None:
        assert self.world.is_open == (self.life.state in ROUTED)
        if self.world.is_open:
            assert self.life.process is Process.RUNNING

    @invariant()
    def states_without_a_process_have_none(self) -> None:
        down = {State.BACKOFF, State.FAILED, State.STOPPED, State.ASLEEP}
        assert (self.life.state in down) == (self.life.process is Process.NONE)

    @invariant()
    def something_is_always_on_its_way(self) -> None:
        """A state that is to end has a deadline, or an answer of the keeper is due."""
        life = self.life
        passing = {State.DRAINING, State.UNHEALTHY, State.BACKOFF}
        if self.policy.startup_seconds > 0:
            passing |= {State.STARTING}
        if life.state in passing or life.awaits_drain:
            assert life.timers or life.process is Process.LAUNCHING
        if life.process is Process.ENDING:
            assert Timer.GRACE in life.timers

    @invariant()
    def the_budget_is_kept(self) -> None:
        if self.policy.max_restarts < 1000:
            assert len(self.life.recent) <= self.policy.max_restarts

    @invariant()
    def a_refused_wake_names_a_time(self) -> None:
        refusal = wake_refusal(self.life, self.now)
        assert refusal is None or refusal[1] >= 0
        if self.life.state in ROUTED | {State.ASLEEP, State.FROZEN}:
            assert refusal is None


TestLifeMachine = LifeMachine.TestCase
TestLifeMachine.settings = settings(
    max_examples=max(150, settings().max_examples), stateful_step_count=60
)
