"""The console's logic: a key becomes an action of the registry, an action changes the state.

It knows no terminal: what it needs of one is `Stage`, what it asks of the engine goes by `Link`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import actions
from ten_tui.clipboard import copy
from ten_tui.commands import Commands
from ten_tui.deeds import Deeds, share_preview
from ten_tui.keymap import Keymap
from ten_tui.looking import Looking
from ten_tui.looks import Looks
from ten_tui.reading import Reading, as_text
from ten_tui.steering import Steering
from ten_tui.store.arrange import ORDER, PaneId
from ten_tui.store.configtext import config_rows, error_row
from ten_tui.store.groups import is_group
from ten_tui.store.script import as_script, marked
from ten_tui.store.table import GroupRow
from ten_tui.store.ui import Message, Mode, Scroll
from ten_tui.store.view import HISTORY_SECONDS, Change, LinkState
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.errors import TenError
    from engine.core.wire import Update
    from ten_tui.action import Action
    from ten_tui.link import Link
    from ten_tui.stage import Stage
    from ten_tui.store.ui import UiState

_REFUSED = "config refused"
_PANES_OF = (
    (Change.INSTANCES | Change.SAMPLES, (PaneId.TABLE, PaneId.DETAIL, PaneId.DEPLOYS)),
    (Change.ROLLOUTS, (PaneId.DETAIL, PaneId.DEPLOYS)),
    (Change.EVENTS, (PaneId.EVENTS,)),
    (Change.CONFIG, (PaneId.CONFIG,)),
)


class Console:
    """Takes keys and updates."""

    def __init__(self, ui: UiState, link: Link, stage: Stage, keymap: Keymap | None = None) -> None:
        """Put the parts together; `keymap` None for the registry's own keys."""
        self.ui = ui
        self.keymap = Keymap()
        self.use_keymap(keymap or self.keymap)
        self._link = link
        self._stage = stage
        self.deeds = Deeds(ui, link, stage)
        self.steering = Steering(ui, link, stage, self.deeds)
        self.deeds.guard = self.steering.guarded
        self.reading = Reading(ui, link, stage, self.deeds)
        self.looking = Looking(ui, link, stage, self.deeds, self.reading)
        self.looks = Looks(link, stage, self.deeds)
        self._commands = Commands(self)
        self._shown = ""
        self._wanted_log = ""

    @property
    def stage(self) -> Stage:
        """The terminal."""
        return self._stage

    @property
    def link(self) -> Link:
        """The way to the engine."""
        return self._link

    # --- what the engine says ---

    def take_updates(self, updates: list[Update]) -> None:
        """Fold updates in and draw what they touched."""
        change = Change.NOTHING
        for update in updates:
            change |= self.ui.view.apply(update)
        if change & (Change.INSTANCES | Change.SAMPLES):
            self.ui.table.rebuild(self.ui.view)
        if Change.CONFIG in change:
            self._config_changed()
        if Change.ENGINE in change:
            self._open_wanted_log()
            self.looking.attach()
        panes = {pane for flag, names in _PANES_OF if flag & change for pane in names}
        if Change.SAMPLES in change and self.looking.histogram_moved():
            panes.add(PaneId.LOG)
        self._stage.repaint(panes)
        self.selection_changed()

    def link_changed(self, state: LinkState, reason: str, retry_at: float) -> None:
        """Note how the link is; the place in every pane is kept."""
        link = self.ui.view.link
        link.state, link.reason, link.retry_at = state, reason, retry_at

    def open_log_of(self, name: str) -> None:
        """Open a log as soon as its instance is known, followed and with the keys in it."""
        self._wanted_log = name
        self.reading.open(name)
        self.focus(PaneId.LOG)

    def _open_wanted_log(self) -> None:
        name, self._wanted_log = self._wanted_log, ""
        if not name:
            return
        if name in self.ui.view.instances:
            self.ui.table.cursor = name
        else:
            self.deeds.say(f"{name} is not known here; its log is shown if there is one", Ink.WARN)
            self._shown = self.ui.table.selected

    def _config_changed(self) -> None:
        config = self.ui.view.config
        if config is None:
            return
        rows = config_rows(config, is_diff=self.ui.is_diff)
        self.ui.config = Scroll(cursor=error_row(rows), is_following=False)
        if config.error:
            # Digits are something else in the log: the typed command holds everywhere.
            said = f"{_REFUSED}: {config.error.splitlines()[0]} (:config shows it)"
            self.deeds.say(said, Ink.BAD)
        elif self.ui.message.text.startswith(_REFUSED):
            self.deeds.say("the config is good again", Ink.OK)

    def selection_changed(self) -> None:
        """Let detail and log follow the cursor of the table."""
        name = self.ui.table.shown
        if name == self._shown or not name:
            return
        self._shown = name
        self._stage.repaint((PaneId.DETAIL,))
        if is_group(name):
            self.looking.open_group(name)
            return
        self.reading.open(name)
        self.looking.opened_log()
        self.looking.refresh()
        self._link.ask(
            lambda client: client.metrics(name, HISTORY_SECONDS),
            lambda value, error: self._take_history(name, value, error),
        )

    def _take_history(self, name: str, value: object, error: TenError | None) -> None:
        if error is None and isinstance(value, list) and name == self._shown:
            self.ui.view.show_history(name, value)
            self._stage.repaint((PaneId.DETAIL,))

    # --- what the user does ---

    def press(self, key: str, character: str | None) -> None:
        """Take a key: for the prompt, else for the pane that has the keys."""
        if self.ui.mode is not Mode.NONE:
            self._type(key, character)
            return
        name = character if character and character.isprintable() and character != " " else key
        action = self.keymap.find(self.ui.focus, name)
        if action is not None:
            # What has a row of keys is told which of them it was.
            self.perform(action, [str(action.keys.index(name))])

    def press_shown(self, label: str) -> None:
        """Take a key by what the foot line calls it."""
        self.press(actions.key_of(label), None)

    def use_keymap(self, keymap: Keymap) -> None:
        """Take keys, the registry's or the user's."""
        self.keymap = keymap
        self.ui.keys = keymap.labels()

    def perform(self, action: Action, words: list[str]) -> None:
        """Do an action, unless it acts and acting is impossible."""
        if not action.acts or self.deeds.may_act():
            self._commands.run(action.id, words)

    def paste(self, text: str) -> None:
        """Take pasted text: only a prompt wants it."""
        if self.ui.mode is not Mode.NONE:
            self.ui.prompt.insert(text)
            self._typed()

    def click(self, pane: PaneId, y: int, *, is_double: bool, is_right: bool = False) -> None:
        """Give a pane the keys, select what was clicked; the right button shows what it can do."""
        self.focus(pane)
        row = y - 1
        if pane is PaneId.TABLE:
            table = self.ui.table
            if row >= 0 and table.top + row < len(table.rows):
                table.go(table.top + row)
                is_group = isinstance(table.row, GroupRow)
                if is_group:
                    table.toggle_fold()
                    table.rebuild(self.ui.view)
                elif is_double:
                    self.focus(PaneId.LOG)
        elif pane in {PaneId.EVENTS, PaneId.CONFIG} and row >= 0:
            scroll = self.scroll_of(pane)
            scroll.is_following = False
            scroll.cursor = scroll.top + row
        elif pane is PaneId.DEPLOYS:
            self.select(self.ui.deploys.rows_at.get(y, ""))
        self.moved()
        if is_right:
            self._commands.menu()

    def point(self, x: int) -> None:
        """Look at the time of a cell of the graphs."""
        self.looking.point(x)

    def point_log(self, x: int) -> None:
        """Look at the time of a cell of the histogram."""
        self.looking.point_log(x)

    def wheel(self, pane: PaneId, steps: int) -> None:
        """Scroll the pane under the mouse."""
        if pane is PaneId.LOG:
            self.reading.move(steps)
        elif pane in {PaneId.EVENTS, PaneId.CONFIG}:
            self.move_scroll(pane, steps)
        elif pane is PaneId.DEPLOYS:
            self._commands.move_in_deploys(steps)
        else:
            self.ui.table.move(steps)
            self.moved()

    def tick(self) -> None:
        """Let what is shown for a while go."""
        offer = self.ui.undo
        if offer is not None and offer.until <= self._stage.clock():
            self.ui.undo = None
        self.looking.refresh()
        self.steering.refresh()
        self._stage.repaint(())

    # --- panes ---

    def focus(self, pane: PaneId) -> None:
        """Give a pane the keys, and a place if it has none."""
        if self.ui.zoomed is PaneId.DEPLOYS:
            self.ui.zoomed = None  # that one needs all the room, the others may not
        self.ui.focus = pane
        if self.ui.zoomed is not None:
            self.ui.zoomed = pane
        elif pane not in {PaneId.TABLE, PaneId.DEPLOYS}:
            self.ui.lower = pane
        self._stage.rearrange()
        if self.ui.focus is not pane:
            # It has no place beside the others at this size: it gets all.
            self.ui.focus = self.ui.zoomed = pane
            self._stage.rearrange()
        self.reading.watch()
        self.steering.refresh()

    def next_pane(self, steps: int) -> None:
        """Give the keys to the next of the panes that are side by side."""
        panes = [one for one in ORDER if one is self.ui.focus or one is not PaneId.DEPLOYS]
        self.focus(panes[(panes.index(self.ui.focus) + steps) % len(panes)])

    def select(self, name: str) -> None:
        """Bring the table's cursor to an instance, if it is known."""
        table = self.ui.table
        if name in self.ui.view.instances:
            table.filter = ""
            table.folds.discard(name.partition(":")[0])
            table.cursor = name
            table.rebuild(self.ui.view)
            self.moved()

    def moved(self) -> None:
        """Draw the pane that has the keys; the rest follows the cursor."""
        self._stage.repaint((self.ui.focus, PaneId.TABLE))
        self.selection_changed()

    def scroll_of(self, pane: PaneId) -> Scroll:
        """Give the place in a pane of lines."""
        return self.ui.events if pane is PaneId.EVENTS else self.ui.config

    def rows_of(self, pane: PaneId) -> int:
        """Count a pane's lines."""
        view = self.ui.view
        if pane is PaneId.EVENTS:
            return len(view.events)
        return len(config_rows(view.config, is_diff=self.ui.is_diff)) if view.config else 0

    def move_scroll(self, pane: PaneId, steps: int) -> None:
        """Move in a pane of lines."""
        self.scroll_of(pane).move(steps, self.rows_of(pane), self._stage.body_height(pane))
        self._stage.repaint((pane,))

    # --- the prompt ---

    def ask(self, mode: Mode, text: str = "", label: str = "") -> None:
        """Begin to type."""
        self.ui.mode = mode
        self.ui.message = Message()
        self.ui.prompt.begin(label or mode.value, text)
        self._typed()

    def _type(self, key: str, character: str | None) -> None:
        if key in {"escape", "ctrl+c"} or (key == "backspace" and not self.ui.prompt.text):
            self.ui.message = Message()
            if self.ui.mode is Mode.FILTER:
                self._filter("")
            self.ui.mode = Mode.NONE
        elif key == "enter":
            mode, text = self.ui.mode, self.ui.prompt.accept()
            self.ui.message = Message()
            self.ui.mode = Mode.NONE
            self._accept(mode, text)
        elif self.ui.prompt.press(key, character):
            self._typed()
            return
        self._stage.repaint()

    def _typed(self) -> None:
        """Let what is typed show its effect at once where that is cheap."""
        text = self.ui.prompt.text
        if self.ui.mode is Mode.FILTER:
            self._filter(text)
        elif self.ui.mode is Mode.WEIGHT:
            name = self.ui.table.selected
            instances = list(self.ui.view.instances.values())
            self._note(share_preview(instances, name, text) if name else "")
        elif self.ui.mode is Mode.COMMAND:
            parsed = actions.parse_command(text)
            self._note(f"{parsed[0].title} {parsed[0].takes}".strip() if parsed else "")
        self._stage.repaint(())

    def _note(self, text: str) -> None:
        self.ui.message = Message(text, Ink.DIM, until=float("inf"))

    def _filter(self, text: str) -> None:
        self.ui.table.filter = text
        self.ui.table.rebuild(self.ui.view)
        self._stage.repaint((PaneId.TABLE,))
        self.selection_changed()

    def _accept(self, mode: Mode, text: str) -> None:
        takers: dict[Mode, Callable[[str], None]] = {
            Mode.FILTER: self._filter,
            Mode.SEARCH: self.reading.search,
            Mode.LOG_FILTER: self.reading.filter,
            Mode.COMMAND: self._run_typed,
            Mode.WEIGHT: self._set_weight,
            Mode.SAVE: self.reading.save,
            Mode.CONFIRM: self.deeds.typed,
            Mode.JUMP: self._commands.jump_to,
            Mode.COLUMNS: self._commands.show_columns,
        }
        if text or mode not in {Mode.WEIGHT, Mode.SAVE, Mode.JUMP}:
            takers[mode](text)

    def _set_weight(self, text: str) -> None:
        self.deeds.set_weight(self.ui.table.targets(), text)

    def _run_typed(self, text: str) -> None:
        if not text:
            return
        parsed = actions.parse_command(text)
        if parsed is None:
            finds = f"{self.ui.keys['palette']} finds one"
            self.deeds.say(f"no action is called {text.split()[0]}: {finds}", Ink.BAD)
            return
        action, words = parsed
        if not action.acts or self.deeds.may_act():
            self._commands.run_typed(action.id, words)

    def copy(self) -> None:
        """Copy what the pane is about: log lines, or a command line."""
        if self.ui.focus is PaneId.LOG and self.reading.marked_lines():
            text = as_text(self.reading.marked_lines())
        elif self.ui.focus is PaneId.EVENTS and self.ui.events_mark >= 0:
            text = self._script()
        else:
            text = self._command_in_view()
        if not text:
            self.deeds.say("nothing to copy here", Ink.DIM)
            return
        self.deeds.say(copy(text, self._stage.write), Ink.OK)

    def _script(self) -> str:
        ui = self.ui
        events = marked(ui.view.events, ui.events_mark, ui.events.cursor)
        ui.events_mark = -1
        self._stage.repaint((PaneId.EVENTS,))
        return as_script(events, ui.view.engine.hostname if ui.view.engine else "")

    def _command_in_view(self) -> str:
        ui = self.ui
        if ui.message.command and ui.message.until > self._stage.clock():
            return ui.message.command
        if ui.focus is PaneId.EVENTS and ui.view.events:
            event = ui.view.events[min(ui.events.cursor, len(ui.view.events) - 1)]
            return event.command or event.text
        return ui.table.selected
