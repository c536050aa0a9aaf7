"""What each action of the registry does: one method an action, named after its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.wire import State
from ten_tui import actions
from ten_tui.deeds import unknown_instance, valid_names
from ten_tui.deploycommands import DeployCommands
from ten_tui.logcommands import LogCommands
from ten_tui.store.arrange import ORDER, PaneId
from ten_tui.store.picker import Item, Picker
from ten_tui.store.table import GroupRow
from ten_tui.store.ui import Mode
from ten_tui.theme import Ink
from ten_tui.timecommands import TimeCommands
from ten_tui.usercommands import UserCommands

if TYPE_CHECKING:
    from collections.abc import Callable

    from ten_tui.console import Console

_SHARE_STEP, _SHARE_MOST = 0.06, 0.36
_LINES = frozenset({PaneId.EVENTS, PaneId.CONFIG})
_ALL = 1 << 30


class Commands(DeployCommands, LogCommands, UserCommands, TimeCommands):
    """The actions of one console."""

    def __init__(self, console: Console) -> None:
        """Take the console they act on."""
        super().__init__(console)
        self._table: dict[str, Callable[[], None]] = {
            action.id: getattr(self, action.id) for action in actions.ACTIONS
        }

    def run(self, name: str, words: list[str]) -> None:
        """Do one action, asked for by a key or from a list."""
        self._words = words
        self._table[name]()

    def run_typed(self, name: str, words: list[str]) -> None:
        """Do one action with typed words behind it."""
        typed = getattr(self, f"typed_{name}", None)
        self._words = words
        if typed is not None and words:
            typed()
        else:
            self._table[name]()

    # --- instances ---

    def restart(self) -> None:
        """Restart the selection."""
        self._console.deeds.restart(self._targets())

    def toggle(self) -> None:
        """Stop the selection, or start it where nothing of it runs."""
        self._known(self._targets(), self._console.deeds.toggle)

    def stop(self) -> None:
        """Stop the selection."""
        self._known(self._targets(), self._console.deeds.stop)

    def spawn(self) -> None:
        """Ask which instance to start."""
        row = self._ui.table.row
        service = row.key.partition(":")[0] if row else next(iter(self._ui.view.services), "")
        self._console.ask(Mode.COMMAND, f"spawn {service}:")

    def typed_restart(self) -> None:
        """Restart what was named."""
        if names := self._named():
            self._known(names, self._console.deeds.restart)

    def typed_stop(self) -> None:
        """Stop what was named."""
        if names := self._named():
            self._known(names, self._console.deeds.stop)

    def typed_spawn(self) -> None:
        """Start what was named."""
        if names := self._named():
            self._console.deeds.spawn(names)

    def undo(self) -> None:
        """Take the last act back."""
        self._console.deeds.undo()

    def weight(self) -> None:
        """Ask for a weight."""
        names = self._targets()
        if not names:
            self._console.deeds.say("nothing is selected", Ink.DIM)
            return
        known = self._ui.view.instances.get(names[0])
        what = names[0] if len(names) == 1 else f"{len(names)} instances"
        text = str(known.weight) if known else ""
        self._console.ask(Mode.WEIGHT, text, f"weight of {what} ")

    def typed_weight(self) -> None:
        """Set the weight that was typed, of what was named or selected."""
        names = valid_names(self._words) or self._targets()
        self._console.deeds.set_weight(names, self._words[-1])

    def logs(self) -> None:
        """Read the selection's log."""
        ui = self._ui
        if ui.focus is PaneId.EVENTS and ui.view.events:
            self._select_of_event()
        self._console.focus(PaneId.LOG)

    def typed_logs(self) -> None:
        """Read the log that was named."""
        names = valid_names(self._words)
        if names:
            self._console.select(names[0])
            self._console.reading.open(names[0])
            self._console.focus(PaneId.LOG)

    def menu(self) -> None:
        """Show all actions on the selection."""
        self._console.deeds.menu(self._targets(), self._chosen)

    def mark(self) -> None:
        """Mark what is under the cursor."""
        self._ui.table.toggle_mark()
        self._console.moved()

    def unmark(self) -> None:
        """Unmark all."""
        self._ui.table.marks.clear()
        self._console.moved()

    def filter(self) -> None:
        """Type a filter."""
        self._console.ask(Mode.FILTER, self._ui.table.filter)

    def order(self) -> None:
        """Sort by the next column."""
        self._ui.table.cycle_order()
        self._resort()

    def direction(self) -> None:
        """Turn the order round."""
        self._ui.table.is_descending = not self._ui.table.is_descending
        self._resort()

    def fold(self) -> None:
        """Fold or unfold."""
        self._ui.table.toggle_fold()
        self._resort(is_said=False)

    def grouping(self) -> None:
        """Group, or do not."""
        self._ui.table.is_grouped = not self._ui.table.is_grouped
        self._resort(is_said=False)

    def _resort(self, *, is_said: bool = True) -> None:
        table = self._ui.table
        table.rebuild(self._ui.view)
        if is_said:
            way = "largest first" if table.is_descending else "smallest first"
            self._console.deeds.say(f"sorted by {table.order.value}, {way}", Ink.DIM)
        self._console.moved()

    # --- moving ---

    def down(self) -> None:
        """Go one down."""
        self._move(1)

    def up(self) -> None:
        """Go one up."""
        self._move(-1)

    def top(self) -> None:
        """Go to the top."""
        if self._ui.focus is PaneId.LOG:
            self._console.reading.to_top()
        else:
            self._move(-_ALL)

    def bottom(self) -> None:
        """Go to the end."""
        if self._ui.focus is PaneId.LOG:
            self._console.reading.to_end()
        else:
            self._move(_ALL)

    def page_down(self) -> None:
        """Go a page down."""
        self._move(self._page())

    def page_up(self) -> None:
        """Go a page up."""
        self._move(-self._page())

    def half_down(self) -> None:
        """Go half a page down."""
        self._move(max(1, self._page() // 2))

    def half_up(self) -> None:
        """Go half a page up."""
        self._move(-max(1, self._page() // 2))

    def _page(self) -> int:
        return max(1, self._console.stage.body_height(self._ui.focus) - 1)

    def _move(self, steps: int) -> None:
        if self._ui.focus is PaneId.LOG:
            self._console.reading.move(steps)
        elif self._ui.focus in _LINES:
            self._console.move_scroll(self._ui.focus, steps)
        elif self._ui.focus is PaneId.DEPLOYS:
            self.move_in_deploys(steps)
        else:
            self._ui.table.move(steps)
            self._console.moved()
        self._console.looking.follow()

    def open(self) -> None:
        """Open what is under the cursor."""
        ui = self._ui
        if ui.focus is PaneId.TABLE:
            if isinstance(ui.table.row, GroupRow):
                self.fold()
            elif ui.table.row is not None:
                known = ui.view.instances.get(ui.table.selected)
                is_well = known is not None and known.state is State.HEALTHY
                self._console.focus(PaneId.LOG if is_well else PaneId.DETAIL)
        elif ui.focus is PaneId.EVENTS and ui.view.events:
            self._select_of_event()
            self._console.focus(PaneId.TABLE)
        elif ui.focus in {PaneId.DETAIL, PaneId.DEPLOYS}:
            self._console.focus(PaneId.LOG)

    def back(self) -> None:
        """Go back a step; at the root nothing happens."""
        self._step_back()

    def _step_back(self) -> bool:
        ui, console = self._ui, self._console
        if console.looking.back():
            pass
        elif ui.focus is PaneId.DEPLOYS:
            console.focus(PaneId.TABLE)
        elif ui.zoomed is not None:
            self.zoom()
        elif ui.focus is PaneId.LOG and console.reading.clear():
            pass
        elif ui.focus is PaneId.EVENTS and ui.events_mark >= 0:
            self.mark_events()
        elif ui.focus is not PaneId.TABLE:
            console.focus(PaneId.TABLE)
        elif ui.table.marks:
            self.unmark()
        elif ui.table.filter:
            ui.table.filter = ""
            ui.table.rebuild(ui.view)
            console.moved()
        else:
            return False
        return True

    def next_pane(self) -> None:
        """Go to the next pane."""
        self._console.next_pane(1)

    def previous_pane(self) -> None:
        """Go to the pane before."""
        self._console.next_pane(-1)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Give the actions that go to a pane by its number."""
        head, _, number = name.partition("_")
        if head == "pane" and number.isdigit():
            pane = ORDER[int(number) - 1]
            return lambda: self._console.focus(pane)
        raise AttributeError(name)

    # --- everywhere ---

    def help(self) -> None:
        """Show the help."""
        groups = [
            (name, [(actions.keys_label(action), action.title) for action in rows])
            for name, rows in self._console.keymap.help_rows(self._ui.focus)
        ]
        self._console.stage.show_help(f"keys · {self._ui.focus.value}", groups, self.tour)

    def palette(self) -> None:
        """Find an action by its words."""
        is_off = not self._ui.view.can_act
        items = [
            Item(action.id, action.title, actions.keys_label(action), is_off=action.acts and is_off)
            for action in self._console.keymap.actions
            if action.id not in {"palette", "down", "up"}
        ]
        self._console.stage.pick(Picker("actions", items, rate=actions.fuzzy), self._chosen)

    def command(self) -> None:
        """Type a command."""
        self._console.ask(Mode.COMMAND)

    def copy(self) -> None:
        """Copy what the pane is about."""
        self._console.copy()

    def zoom(self) -> None:
        """Give the pane all the room, and back."""
        self._ui.zoomed = None if self._ui.zoomed is not None else self._ui.focus
        self._console.focus(self._ui.focus)

    def grow(self) -> None:
        """More room above."""
        self._share(_SHARE_STEP)

    def shrink(self) -> None:
        """Less room above."""
        self._share(-_SHARE_STEP)

    def _share(self, step: float) -> None:
        self._ui.share = max(-_SHARE_MOST, min(_SHARE_MOST, self._ui.share + step))
        self._console.stage.rearrange()
        self._console.reading.watch()

    def quit(self) -> None:
        """Go back, or detach at the root."""
        if not self._step_back():
            self._console.stage.leave()

    def detach(self) -> None:
        """Detach at once."""
        self._console.stage.leave()

    # --- shared ---

    def _targets(self) -> tuple[str, ...]:
        ui = self._ui
        if ui.focus is PaneId.LOG and ui.logs.query.name:
            return (ui.logs.query.name,)
        return ui.table.targets()

    def _named(self) -> tuple[str, ...]:
        """Take the typed names, all or none: one that is mistyped must not be passed over."""
        names = valid_names(self._words)
        if len(names) == len(self._words):
            return names
        wrong = next(word for word in self._words if word not in names)
        self._console.deeds.say(f"{wrong} names no instance: service:id", Ink.BAD)
        return ()

    def _known(self, names: tuple[str, ...], act: Callable[[tuple[str, ...]], None]) -> None:
        """Act on instances that exist; of one that does not say which may be meant."""
        known = self._ui.view.instances
        missing = next((name for name in names if name not in known), "")
        if missing:
            self._console.deeds.say(unknown_instance(missing, known), Ink.BAD)
        else:
            act(names)

    def _chosen(self, name: str) -> None:
        if name:
            self._console.perform(actions.BY_ID[name], [])

    def _select_of_event(self) -> None:
        events = self._ui.view.events
        event = events[max(0, min(self._ui.events.cursor, len(events) - 1))]
        if event.instance:
            self._console.select(event.instance)
