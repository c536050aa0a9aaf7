"""The head line: which host, what is up, how loaded it is, and how good the link is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from ten_tui import format as fmt
from ten_tui.store.timeline import when
from ten_tui.store.view import LinkState
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.style import Style

    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_ROOMY = 100


class Head(Pane):
    """One or two rows at the top."""

    def __init__(self, palette: Palette, ui: UiState, clock: Callable[[], float]) -> None:
        """Take what it shows; `clock` gives monotonic seconds for the countdown."""
        super().__init__(palette, id="head")
        self._ui = ui
        self._clock = clock

    @property
    def ground(self) -> Ground:
        """The head lies a shade above the panes."""
        return Ground.RAISED

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw identity and states, then figures."""
        first = self._identity(width) if self._ui.timeline.is_now else self._past(width)
        return [first, self._figures(width)][:height]

    def _past(self, width: int) -> Line:
        """Say that this is not now, and how to come back."""
        ui = self._ui
        at = ui.timeline.at or 0.0
        pen = self.palette.style(Ink.WARN, Ground.SELECT, is_bold=True)
        dim = self.palette.style(Ink.DIM, Ground.SELECT)
        line = Line().put(f" ◀ looking at {when(at, ui.view.now)}", pen)
        ago = f" · {fmt.long_duration(ui.view.now - at)} ago"
        then = ui.view.then
        rest = " · reading" if then is None or then.at != at else ""
        if then is not None and then.moment.step > 1:
            rest += f" · means of {fmt.long_duration(then.moment.step)}"
        way = f"{ui.keys.get('back', 'Esc')} returns to now"
        if line.width + len(ago) + len(rest) + len(way) + 4 <= width:
            line.put(ago + rest, dim)
        return line.right(way, pen, width - 1, dim).fill(width, dim)

    def _identity(self, width: int) -> Line:
        view, style = self._ui.view, self.palette.style
        line = Line()
        blank = style(Ink.TEXT, Ground.RAISED)
        engine = view.engine
        name = engine.hostname if engine else "ten"
        banner = engine.banner if engine else ""
        is_recording = engine is not None and engine.is_recording
        label = f"{name} · {banner}" if banner and not is_recording else banner or name
        room = width * 2 // 3 if is_recording else width // 3
        colour = engine.colour if engine else ""
        line.put(f" {cut(label, max(8, room))} ", self.palette.banner(colour))
        if engine is not None and engine.read_only:
            line.put(" read-only", style(Ink.WARN, Ground.RAISED))
        link, ink = self._link()
        counts = view.counts()
        edge = width - len(link) - 2
        for state in fmt.SEVERITY:
            if not counts[state]:
                continue
            mark = fmt.MARKS[state]
            number = f"  {mark.glyph} {counts[state]}"
            word = f" {state.value}" if width >= _ROOMY else ""
            if line.width + len(number) + len(word) >= edge:
                break
            is_bad = mark.ink is Ink.BAD
            line.put(number, style(mark.ink, Ground.RAISED, is_bold=is_bad))
            line.put(word, style(mark.ink if is_bad else Ink.DIM, Ground.RAISED))
        if view.is_live and not view.instances:
            line.put("  no instances", style(Ink.DIM, Ground.RAISED))
        others = self._others(edge - line.width - 2)
        if others:
            line.to(edge - cell_len(others), blank)
            line.put(others, style(Ink.INFO, Ground.RAISED))
        return line.right(link, style(ink, Ground.RAISED), width - 1, blank)

    def _others(self, room: int) -> str:
        """Say who is attached where it is more than this console: all, or how many."""
        consoles = self._ui.view.consoles
        if len(consoles) < 2 or not self._ui.view.is_live:
            return ""
        short = f"{len(consoles)} attached"
        for text in (f"{short}: {fmt.attached(consoles)}", short):
            if cell_len(text) <= room:
                return text
        return ""

    def _link(self) -> tuple[str, Ink]:
        link = self._ui.view.link
        match link.state:
            case LinkState.LIVE:
                trip = fmt.millis(link.round_trip_ms)
                return (f"⇄ {trip:>5}" if link.round_trip_ms else "⇄ live"), Ink.FAINT
            case LinkState.CONNECTING:
                return "◐ connecting", Ink.BUSY
            case LinkState.LOST:
                left = max(0.0, link.retry_at - self._clock())
                return f"✖ {link.reason or 'engine gone'} · retry in {left:.0f}s", Ink.BAD

    def _figures(self, width: int) -> Line:
        host, style = self._ui.view.shown_host, self.palette.style
        label, plain = style(Ink.FAINT, Ground.RAISED), style(Ink.TEXT, Ground.RAISED)
        dim = style(Ink.DIM, Ground.RAISED)
        line = Line().put(" cpu ", label)
        line.put(f"{fmt.cores(host.cpu_cores):>4}", self._load(host.cpu_cores / max(1, host.cores)))
        line.put(f"/{host.cores}", dim)
        share = host.memory_bytes / host.memory_total_bytes if host.memory_total_bytes else 0.0
        line.put("  mem ", label).put(f"{fmt.size(host.memory_bytes):>4}", self._load(share))
        line.put(f"/{fmt.size(host.memory_total_bytes)}", dim)
        if host.psi_cpu >= 0 and width >= 72:
            line.put("  psi", label)
            for name, value in (
                ("c", host.psi_cpu),
                ("m", host.psi_memory),
                ("i", host.psi_io),
            ):
                text = fmt.NOTHING if value < 0.5 else f"{value:.0f}"
                line.put(f" {name}", label).put(f"{text:>2}", self._load(value / 50))
        traffic = Line()
        traffic.put(f"{fmt.rate(host.requests):>5}", plain).put(" req/s", label)
        traffic.put("  p95 ", label).put(f"{fmt.millis(host.p95_ms):>5}", plain)
        errors = style(Ink.BAD if host.errors >= 0.05 else Ink.FAINT, Ground.RAISED)
        traffic.put(f"  {fmt.rate(host.errors):>4}", errors).put(" err/s", label)
        if line.width + traffic.width + 2 <= width:
            line.to(width - traffic.width - 1, plain)
            line.parts.extend(traffic.parts)
            line.width += traffic.width
        return line

    def _load(self, share: float) -> Style:
        ink = Ink.BAD if share > 0.95 else Ink.WARN if share > 0.8 else Ink.TEXT
        return self.palette.style(ink, Ground.RAISED)
