"""What the console knows: the engine's updates folded into one value."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, assert_never

import msgspec

from engine.core.wire import (
    ConfigChanged,
    EventHappened,
    HostSample,
    InstanceChanged,
    InstanceGone,
    Ping,
    Sample,
    Samples,
    Snapshot,
    State,
)
from engine.core.wire_rollout import RolloutChanged
from ten_tui.store.groups import is_group, together
from ten_tui.store.past import Past
from ten_tui.store.spark import Spark
from ten_tui.store.ticks import states_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.moments import Moment
    from engine.core.wire import (
        ConfigView,
        ConsoleView,
        EngineView,
        Event,
        InstanceView,
        ServiceView,
        Update,
    )
    from engine.core.wire_rollout import RolloutView

EVENTS_KEPT = 1000
HISTORY_SECONDS = 900
NO_SAMPLE = Sample(0.0)


class Change(Flag):
    """What an update touched, so that only those panes are drawn anew."""

    NOTHING = 0
    ENGINE = auto()
    HOST = auto()
    INSTANCES = auto()
    SAMPLES = auto()
    EVENTS = auto()
    CONFIG = auto()
    LINK = auto()
    ROLLOUTS = auto()
    ALL = ENGINE | HOST | INSTANCES | SAMPLES | EVENTS | CONFIG | LINK | ROLLOUTS


class LinkState(Enum):
    """How the console stands to the engine."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


@dataclass
class LinkView:
    """The link meter.

    Attributes:
        reason: Why it is lost.
        retry_at: When the next try begins, monotonic seconds.
        round_trip_ms: Newest measured, 0 where none is.
    """

    state: LinkState = LinkState.CONNECTING
    reason: str = ""
    retry_at: float = 0.0
    round_trip_ms: float = 0.0


@dataclass(frozen=True)
class Then:
    """A moment of the past, as the panes show it.

    Attributes:
        instances: Those of now in the state they had then, as far as that is known.
    """

    at: float
    moment: Moment
    instances: dict[str, InstanceView]
    sparks: dict[str, Spark]


@dataclass
class View:
    """The state of one engine as last heard.

    Attributes:
        consoles: Who is attached, this console among them.
        rollouts: The last one of each service that had one.
        now: The engine's clock, as its newest sample gave it; ages are counted from it.
        history: Samples of the one instance or group whose graphs are shown, oldest first.
        then: What was at the time that is looked at; None while that is now.
        log_past: What is kept of the log rate of the instance whose log is open.
        past: What is kept of its figures, as far as graphs need it.
    """

    link: LinkView = field(default_factory=LinkView)
    engine: EngineView | None = None
    host: HostSample = field(default_factory=lambda: HostSample(0.0))
    services: dict[str, ServiceView] = field(default_factory=dict)
    instances: dict[str, InstanceView] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)
    sparks: dict[str, Spark] = field(default_factory=dict)
    config: ConfigView | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    consoles: tuple[ConsoleView, ...] = ()
    rollouts: dict[str, RolloutView] = field(default_factory=dict)
    now: float = 0.0
    history_of: str = ""
    then: Then | None = None
    past: Past = field(default_factory=Past)
    log_past: Past = field(default_factory=Past)
    history: deque[Sample] = field(default_factory=lambda: deque(maxlen=HISTORY_SECONDS))

    @property
    def is_live(self) -> bool:
        """Whether what is shown is of now."""
        return self.link.state is LinkState.LIVE

    @property
    def can_act(self) -> bool:
        """Whether acting is possible: an engine is there, and the user may do more than look."""
        engine = self.engine
        return self.is_live and not (engine and (engine.read_only or engine.is_recording))

    def sample(self, name: str) -> Sample:
        """Give the figures of an instance, or a group, at the time shown; zeros without any."""
        samples = self.samples if self.then is None else self.then.moment.instances
        return _figures(name, samples) or NO_SAMPLE

    def spark(self, name: str) -> Spark | None:
        """Give the log rate of one instance in the minute before the time shown."""
        return (self.sparks if self.then is None else self.then.sparks).get(name)

    @property
    def shown(self) -> dict[str, InstanceView]:
        """The instances as they are, or were at the time shown."""
        return self.instances if self.then is None else self.then.instances

    @property
    def shown_host(self) -> HostSample:
        """The host's figures at the time shown."""
        return self.host if self.then is None else self.then.moment.host

    @property
    def shown_at(self) -> float:
        """The time shown; ages are counted from it."""
        return self.now if self.then is None else self.then.at

    def counts(self) -> Counter[State]:
        """Count instances by state."""
        return Counter(instance.state for instance in self.shown.values())

    def apply(self, update: Update) -> Change:
        """Fold one update in and say what it touched."""
        match update:
            case Snapshot():
                return self._restart(update)
            case InstanceChanged(instance=instance):
                self.instances[instance.name] = instance
                return Change.INSTANCES
            case InstanceGone(name=name):
                for table in (self.instances, self.samples, self.sparks):
                    table.pop(name, None)
                return Change.INSTANCES
            case Samples():
                self.consoles = update.consoles
                self._take_samples(update.host, update.instances)
                return Change.SAMPLES | Change.HOST
            case EventHappened(event=event):
                return self._happened(event)
            case ConfigChanged(config=config, services=services):
                self.config = config
                self.services = {service.name: service for service in services}
                return Change.CONFIG | Change.INSTANCES
            case RolloutChanged(rollout=rollout):
                self.rollouts[rollout.service] = rollout
                return Change.ROLLOUTS
            case Ping(time=time):
                self.now = max(self.now, time)
                return Change.NOTHING
            case _:
                assert_never(update)

    def _happened(self, event: Event) -> Change:
        if not self.events or event.id > self.events[-1].id:
            self.events.append(event)
        return Change.EVENTS

    def _restart(self, snapshot: Snapshot) -> Change:
        self.engine = snapshot.engine
        self.config = snapshot.config
        self.services = {service.name: service for service in snapshot.services}
        self.instances = {instance.name: instance for instance in snapshot.instances}
        self.samples = {}
        self.sparks = {n: spark for n, spark in self.sparks.items() if n in self.instances}
        self.events = deque(snapshot.events, maxlen=EVENTS_KEPT)
        self.now = snapshot.host.time
        self.consoles = snapshot.consoles
        self.rollouts = {each.service: each for each in snapshot.rollouts}
        self._take_samples(snapshot.host, snapshot.samples)
        return Change.ALL

    def _take_samples(self, host: HostSample, samples: dict[str, Sample]) -> None:
        self.host = host
        self.now = max(self.now, host.time)
        # What is not among them does not run: it has no figures now.
        self.samples = dict(samples)
        for name, sample in samples.items():
            spark = self.sparks.get(name)
            if spark is None:
                spark = self.sparks[name] = Spark()
            spark.add(sample.time, sample.log_lines, sample.log_errors)
        newest = _figures(self.history_of, samples)
        if newest is not None and (not self.history or newest.time > self.history[-1].time):
            self.history.append(newest)

    def fill_sparks(self, moment: Moment) -> None:
        """Put what is kept of the last minute before what the stream brought."""
        for name, lines in moment.lines.items():
            if name in self.instances:
                spark = self.sparks.setdefault(name, Spark())
                spark.fill(moment.at, lines, moment.errors.get(name, []))

    def look_back(self, at: float, moment: Moment) -> None:
        """Show a moment of the past."""
        sparks = {}
        for name, lines in moment.lines.items():
            sparks[name] = Spark()
            sparks[name].fill(at, lines, moment.errors.get(name, []))
        states = states_at(self.events, at)
        instances = {
            name: _as_then(instance, states.get(name), at, is_up=name in moment.instances)
            for name, instance in self.instances.items()
        }
        self.then = Then(at, moment, instances, sparks)

    def take_older_events(self, older: list[Event]) -> int:
        """Put events before those that are known; tells how many are new."""
        first = self.events[0].id if self.events else 0
        known = list(self.events)
        before = [event for event in older if not known or event.id < first]
        before = before[-max(1, EVENTS_KEPT - len(known)) :]
        self.events = deque([*before, *known], maxlen=EVENTS_KEPT)
        return len(self.events) - len(known)

    def show_history(self, name: str, samples: list[Sample]) -> None:
        """Keep the past of another instance; what was streamed meanwhile stays at its end."""
        newer = [] if name != self.history_of else list(self.history)
        last = samples[-1].time if samples else 0.0
        self.history_of = name
        self.history = deque(samples, maxlen=HISTORY_SECONDS)
        self.history.extend(sample for sample in newer if sample.time > last)


def _figures(name: str, samples: Mapping[str, Sample]) -> Sample | None:
    return together(name, samples) if is_group(name) else samples.get(name)


def _as_then(
    instance: InstanceView, state: State | None, at: float, *, is_up: bool
) -> InstanceView:
    """Give an instance in the state it had; where no event tells, by whether it was measured."""
    is_same = instance.state_since <= at
    if state is None and is_same:
        state = instance.state
    if state is None or (is_up and state in _DOWN) or (not is_up and state is State.HEALTHY):
        state = State.HEALTHY if is_up else State.STOPPED
    return msgspec.structs.replace(
        instance,
        state=state,
        # What was started later than then ran then in a process that is not known any more.
        pid=instance.pid if is_up and instance.started_at <= at else 0,
        started_at=min(instance.started_at, at),
        why=instance.why if is_same else None,
        until=0.0,
        undo="",
    )


_DOWN = frozenset({State.STOPPED, State.ASLEEP, State.FAILED})
