"""What the console's logic asks of the terminal app; the app keeps it, tests may too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ten_tui.store.arrange import PaneId
    from ten_tui.store.inspection import Section
    from ten_tui.store.picker import Picker


class Stage(Protocol):
    """The terminal, as the console's logic sees it."""

    def clock(self) -> float:
        """Give monotonic seconds."""
        ...

    def repaint(self, panes: Iterable[PaneId] | None = None) -> None:
        """Draw panes anew, all if None."""
        ...

    def rearrange(self) -> None:
        """Place the panes anew."""
        ...

    def body_height(self, pane: PaneId) -> int:
        """Give the rows a pane has for lines."""
        ...

    def graph_room(self) -> tuple[int, int]:
        """Give the cells a graph is wide and the rows there are for graphs; 0 if out of sight."""
        ...

    def histogram_columns(self) -> int:
        """Give the cells of the histogram above the log; 0 if there is none."""
        ...

    def log_in_view(self) -> tuple[int, int]:
        """Give the numbers of the first and last log line in view, -1 where there is none."""
        ...

    def pick(
        self,
        picker: Picker,
        then: Callable[[str], None],
        on_move: Callable[[str], None] | None = None,
    ) -> None:
        """Let the user choose; `then` gets the id, "" for nothing."""
        ...

    def show_help(
        self,
        title: str,
        groups: list[tuple[str, list[tuple[str, str]]]],
        more: Callable[[], None],
    ) -> None:
        """Show the help; `more` is done where it is asked for again in it."""
        ...

    def show_facts(self, title: str, sections: list[Section]) -> None:
        """Show facts in sections."""
        ...

    def write(self, codes: str) -> None:
        """Send codes to the terminal, for the clipboard."""
        ...

    def theme_names(self) -> list[tuple[str, str]]:
        """List themes: name and label."""
        ...

    def use_theme(self, name: str, *, is_kept: bool) -> bool:
        """Draw with a theme, and remember it; tells whether there is one of that name."""
        ...

    def problems(self) -> tuple[str, ...]:
        """List what is wrong with the user's own files of keys and themes."""
        ...

    def toggle_mouse(self) -> bool:
        """Give the mouse away or take it back; tells whether the console has it."""
        ...

    def redraw(self) -> None:
        """Write the whole screen anew."""
        ...

    def leave(self) -> None:
        """Detach."""
        ...

    def show_host(self, name: str = "") -> str:
        """Bring the next host into view, or the named one; say why that is impossible."""
        ...
