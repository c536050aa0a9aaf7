"""What the console knows: the engine's updates folded into one value."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, assert_never

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
)
from ten_tui.store.spark import Spark

if TYPE_CHECKING:
    from engine.core.wire import (
        ConfigView,
        ConsoleView,
        EngineView,
        Event,
        InstanceView,
        ServiceView,
        State,
        Update,
    )

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
    ALL = ENGINE | HOST | INSTANCES | SAMPLES | EVENTS | CONFIG | LINK


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


@dataclass
class View:
    """The state of one engine as last heard.

    Attributes:
        consoles: Who is attached, this console among them.
        now: The engine's clock, as its newest sample gave it; ages are counted from it.
        history: Samples of the one instance whose graphs are shown, oldest first.
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
    now: float = 0.0
    history_of: str = ""
    history: deque[Sample] = field(default_factory=lambda: deque(maxlen=HISTORY_SECONDS))

    @property
    def is_live(self) -> bool:
        """Whether what is shown is of now."""
        return self.link.state is LinkState.LIVE

    @property
    def can_act(self) -> bool:
        """Whether acting is possible: the engine is there, and the user may do more than look."""
        return self.is_live and not (self.engine is not None and self.engine.read_only)

    def sample(self, name: str) -> Sample:
        """Give the newest figures of one instance, zeros where there are none."""
        return self.samples.get(name, NO_SAMPLE)

    def counts(self) -> Counter[State]:
        """Count instances by state."""
        return Counter(instance.state for instance in self.instances.values())

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
                if not self.events or event.id > self.events[-1].id:
                    self.events.append(event)
                return Change.EVENTS
            case ConfigChanged(config=config, services=services):
                self.config = config
                self.services = {service.name: service for service in services}
                return Change.CONFIG | Change.INSTANCES
            case Ping(time=time):
                self.now = max(self.now, time)
                return Change.NOTHING
            case _:
                assert_never(update)

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
        newest = samples.get(self.history_of)
        if newest is not None and (not self.history or newest.time > self.history[-1].time):
            self.history.append(newest)

    def show_history(self, name: str, samples: list[Sample]) -> None:
        """Keep the past of another instance; what was streamed meanwhile stays at its end."""
        newer = [] if name != self.history_of else list(self.history)
        last = samples[-1].time if samples else 0.0
        self.history_of = name
        self.history = deque(samples, maxlen=HISTORY_SECONDS)
        self.history.extend(sample for sample in newer if sample.time > last)
