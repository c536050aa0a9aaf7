"""All that the user set, beside what the engine told: one value that the panes draw from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ten_tui.store.arrange import PaneId
from ten_tui.store.deploys import Deploys
from ten_tui.store.graph import Rendering
from ten_tui.store.logs import Logs
from ten_tui.store.prompt import Prompt
from ten_tui.store.table import Table
from ten_tui.store.timeline import Timeline
from ten_tui.store.view import View
from ten_tui.theme import Ink


class Mode(Enum):
    """What the foot line's prompt is for; the value stands before the text."""

    NONE = ""
    FILTER = "filter /"
    SEARCH = "search /"
    LOG_FILTER = "show only &"
    COMMAND = ":"
    WEIGHT = "weight "
    SAVE = "save to "
    JUMP = "jump to "
    COLUMNS = "columns "
    CONFIRM = "type the name "


@dataclass
class Message:
    """What the foot line says for a while.

    Attributes:
        command: The `ten` command line that does the same as the act just done.
        until: When it goes, monotonic seconds.
    """

    text: str = ""
    ink: Ink = Ink.TEXT
    command: str = ""
    until: float = 0.0


@dataclass
class UndoOffer:
    """What `u` would take back.

    Attributes:
        until: When the offer ends, monotonic seconds.
        order: What to say to the rollout of the one service named; "" where instances are.
    """

    names: tuple[str, ...]
    text: str
    until: float
    order: str = ""


@dataclass
class Scroll:
    """Place in a pane of lines: the first row in view and the row under the cursor.

    Attributes:
        is_following: The view stays at the end.
    """

    top: int = 0
    cursor: int = 0
    column: int = 0
    is_following: bool = True

    def move(self, steps: int, total: int, height: int) -> None:
        """Move the cursor; at the last row the view follows again."""
        if self.is_following:
            self.cursor = total - 1
        self.cursor = max(0, min(total - 1, self.cursor + steps))
        self.is_following = self.cursor >= total - 1
        self.clamp(total, height)

    def clamp(self, total: int, height: int) -> None:
        """Bring the cursor into the rows, and the view to the cursor."""
        if self.is_following:
            self.cursor = max(0, total - 1)
        self.cursor = max(0, min(max(0, total - 1), self.cursor))
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + height:
            self.top = self.cursor - height + 1
        self.top = max(0, min(self.top, max(0, total - height)))


@dataclass
class UiState:
    """The console's own state.

    Attributes:
        focus: The pane that has the keys.
        lower: The pane in the lower place.
        zoomed: The pane that has the whole terminal, if any.
        share: How much more than its half the upper part has.
        timeline: Which time is looked at.
        rendering: What graphs are drawn with.
        has_histogram: The log has its rate above the lines, where there is room.
        events_mark: Id of the event where a marked stretch begins, -1 for none.
        is_diff: The config pane shows the diff.
        keys: How the first key of an action is written, by its id; ":name" where it has none.
    """

    view: View = field(default_factory=View)
    table: Table = field(default_factory=Table)
    logs: Logs = field(default_factory=Logs)
    events: Scroll = field(default_factory=Scroll)
    config: Scroll = field(default_factory=lambda: Scroll(is_following=False))
    deploys: Deploys = field(default_factory=Deploys)
    focus: PaneId = PaneId.TABLE
    lower: PaneId = PaneId.LOG
    zoomed: PaneId | None = None
    share: float = 0.0
    timeline: Timeline = field(default_factory=Timeline)
    rendering: Rendering = Rendering.BRAILLE
    has_histogram: bool = True
    events_mark: int = -1
    is_diff: bool = False
    mode: Mode = Mode.NONE
    prompt: Prompt = field(default_factory=Prompt)
    message: Message = field(default_factory=Message)
    undo: UndoOffer | None = None
    has_mouse: bool = True
    keys: dict[str, str] = field(default_factory=dict)
