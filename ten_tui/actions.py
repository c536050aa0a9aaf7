"""Everything the console can do, once: keys, help, palette, command line and foot hints read it."""

from __future__ import annotations

from typing import NamedTuple

from ten_tui.action import Action
from ten_tui.deployactions import DEPLOYS
from ten_tui.store.arrange import PaneId

TABLE, DETAIL, LOG = PaneId.TABLE, PaneId.DETAIL, PaneId.LOG
EVENTS, CONFIG = PaneId.EVENTS, PaneId.CONFIG
_ON_INSTANCES = frozenset({TABLE, DETAIL, LOG})


def _in(*panes: PaneId) -> frozenset[PaneId]:
    return frozenset(panes)


_INSTANCES = (
    Action(
        "restart",
        "restart the selection",
        ("r",),
        _ON_INSTANCES,
        "Instances",
        "restart",
        acts=True,
        command=lambda name: f"ten restart {name}",
        takes="[SERVICE:ID]",
    ),
    Action(
        "toggle",
        "stop, or start what is down",
        ("s",),
        _ON_INSTANCES,
        "Instances",
        "stop",
        acts=True,
        command=lambda name: f"ten stop {name}",
    ),
    Action("stop", "stop what runs", (), group="Instances", acts=True, takes="[SERVICE:ID]"),
    Action(
        "spawn",
        "start an instance, known or new",
        (),
        _ON_INSTANCES,
        "Instances",
        acts=True,
        command=lambda name: f"ten spawn {name}",
        aliases=("start",),
        takes="SERVICE:ID",
    ),
    Action("undo", "undo a stop or a weight, for 10 s", ("u",), group="Instances", acts=True),
    Action(
        "weight",
        "set the share of traffic",
        ("w",),
        _in(TABLE, DETAIL, PaneId.DEPLOYS),
        "Instances",
        "weight",
        acts=True,
        command=lambda name: f"ten weight {name} 100",
        takes="0..100",
    ),
    Action(
        "set",
        "set a limit, for the selection alone",
        (),
        group="Instances",
        acts=True,
        takes="KEY=VALUE [SERVICE:ID]",
    ),
    Action(
        "logs",
        "read the log",
        ("l",),
        _in(TABLE, DETAIL, EVENTS),
        "Instances",
        "logs",
        command=lambda name: f"ten logs {name} -f",
        takes="[SERVICE:ID]",
    ),
    Action(
        "inspect",
        "isolation: planned and real",
        ("I",),
        _ON_INSTANCES,
        "Instances",
        command=lambda name: f"ten inspect {name}",
        takes="[SERVICE:ID]",
    ),
    Action("menu", "all actions on the selection", ("x",), group="Instances"),
    Action("mark", "mark or unmark", ("space",), _in(TABLE), "Instances", "mark"),
    Action("unmark", "unmark all", (), _in(TABLE), "Instances"),
    Action(
        "filter", "filter: name, state:failed, -word", ("/",), _in(TABLE), "Instances", "filter"
    ),
    Action("order", "sort by the next column", ("o",), _in(TABLE), "Instances", "sort"),
    Action("direction", "turn the order round", ("O",), _in(TABLE), "Instances"),
    Action("fold", "fold or unfold the service", ("left", "right"), _in(TABLE), "Instances"),
    Action("grouping", "group by service, or one list", ("v",), _in(TABLE), "Instances"),
)

_LOGS = (
    Action("follow", "pause and follow", ("space",), _in(LOG), "Log", "pause"),
    Action("search", "search", ("/",), _in(LOG), "Log", "search"),
    Action("next_match", "next match", ("n",), _in(LOG), "Log"),
    Action("previous_match", "previous match", ("N",), _in(LOG), "Log"),
    Action("log_filter", "show only lines with a text", ("&",), _in(LOG), "Log", "only"),
    Action("more_context", "more lines around matches", (">",), _in(LOG), "Log"),
    Action("less_context", "fewer lines around matches", ("<",), _in(LOG), "Log"),
    Action("jump", "jump to a time: 14:03, 15m", ("#",), _in(LOG), "Log", takes="TIME"),
    Action("until", "up to a time: 14:03, 15m", (), group="Log", takes="TIME"),
    Action("pretty", "lay JSON out over rows", ("J",), _in(LOG), "Log"),
    Action("fold_lines", "fold lines alike but for numbers", ("F",), _in(LOG), "Log"),
    Action("columns", "fields in columns", ("C",), _in(LOG), "Log", takes="[FIELD ...]"),
    Action("stream", "stdout, stderr, access or all", ("i",), _in(LOG), "Log"),
    Action("next_error", "next error", ("e",), _in(LOG, EVENTS), "Log"),
    Action("previous_error", "previous error", ("E",), _in(LOG, EVENTS), "Log", "errors"),
    Action("wrap", "wrap long lines", ("w",), _in(LOG), "Log", "wrap"),
    Action("times", "time stamps", ("t",), _in(LOG), "Log", "times"),
    Action("mark_lines", "mark lines from here", ("m",), _in(LOG), "Log"),
    Action("save", "save marked lines, or all held", ("S",), _in(LOG), "Log"),
    Action(
        "since",
        "since: all, 1m 5m 15m 1h 6h 24h",
        tuple("0123456"),
        _in(LOG),
        "Log",
        takes="[TIME]",
    ),
    Action("side_left", "scroll left", ("left",), _in(LOG, CONFIG), "Log"),
    Action("side_right", "scroll right", ("right",), _in(LOG, CONFIG), "Log"),
)

_TIME = (
    Action(
        "span_less",
        "graphs: less, from 5 minutes",
        ("+", "="),
        _in(DETAIL),
        "Time",
        "span",
    ),
    Action("span_more", "graphs: more, to 90 days", ("-",), _in(DETAIL), "Time"),
    Action("column_earlier", "time cursor a column back", ("left",), _in(DETAIL), "Time", "time"),
    Action("column_later", "time cursor a column on", ("right",), _in(DETAIL), "Time"),
    Action("histogram", "rate and errors over time", ("h",), _in(LOG), "Time"),
    Action("look_here", "look at the time of this line", ("@",), _in(LOG, EVENTS), "Time"),
    Action("earlier", "all panes back in time", ("[",), group="Time"),
    Action("later", "all panes on in time", ("]",), group="Time"),
    Action("far_earlier", "half a graph back", ("{",), group="Time"),
    Action("far_later", "half a graph on", ("}",), group="Time"),
    Action("now", "back to now", (), group="Time"),
    Action("rendering", "graphs in braille, blocks or plain", (), group="Time"),
)

_CONFIG = (
    Action("mark_events", "mark events; copied as a script", ("m",), _in(EVENTS), "Events", "mark"),
    Action("diff", "the text, or the last change", ("d",), _in(CONFIG), "Config", "diff"),
    Action(
        "reload",
        "read the file again now",
        ("R",),
        _in(CONFIG),
        "Config",
        "reload",
        acts=True,
    ),
)

_MOVES = (
    Action("down", "down", ("j", "down"), group="Moving"),
    Action("up", "up", ("k", "up"), group="Moving"),
    Action("top", "to the top", ("g", "home"), group="Moving"),
    Action("bottom", "to the end", ("G", "end"), group="Moving"),
    Action("page_down", "a page down", ("pagedown",), group="Moving"),
    Action("page_up", "a page up", ("pageup",), group="Moving"),
    Action("half_down", "half a page down", ("ctrl+d",), group="Moving"),
    Action("half_up", "half a page up", ("ctrl+u",), group="Moving"),
    Action("open", "open what is under the cursor", ("enter",), group="Moving"),
    Action("back", "back, and clear", ("escape",), group="Moving"),
    Action("next_pane", "next pane", ("tab",), group="Moving", hint="pane"),
    Action("previous_pane", "previous pane", ("shift+tab",), group="Moving"),
    *(
        Action(
            f"pane_{place}",
            f"go to {pane.value}",
            (str(place),),
            frozenset(PaneId) - {LOG},
            "Moving",
            aliases=(pane.value,),
        )
        for place, pane in enumerate(PaneId, 1)
    ),
)

_GENERAL = (
    Action("help", "this help", ("?",), hint="help"),
    Action("tour", "the console in ten lines", ()),
    Action("palette", "find an action", ("ctrl+p",)),
    Action("command", "type a command", (":",)),
    Action("copy", "copy lines, or the command", ("y", "c")),
    Action("zoom", "zoom the pane, and back", ("z",)),
    Action("grow", "more room for the upper panes", ("+", "=")),
    Action("shrink", "less room for the upper panes", ("-",)),
    Action("bundle", "save the last hour as a file for ten --replay", (), takes="[FILE]"),
    Action("theme", "choose a theme", ("T",), takes="[NAME]"),
    Action("mouse", "mouse: the terminal's, or ours", ("M",)),
    Action("redraw", "draw all anew", ("ctrl+l",)),
    Action("doctor", "what the host can and cannot do", ()),
    Action("problems", "what is wrong with the user's own keys and themes", ()),
    Action("host", "the next host, or the named one", ("H",), takes="[HOST]"),
    Action("quit", "back; at the root detach", ("q",), hint="detach"),
    Action("detach", "detach at once; stops nothing", ("ctrl+c",)),
)

ACTIONS: tuple[Action, ...] = (*_INSTANCES, *_LOGS, *_TIME, *_CONFIG, *DEPLOYS, *_MOVES, *_GENERAL)
BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}
GROUPS: tuple[str, ...] = (
    *("Instances", "Deploys", "Log", "Events", "Time", "Config", "Moving", "Everywhere"),
)
_HINTS = 8


def find(pane: PaneId, key: str, among: tuple[Action, ...] = ACTIONS) -> Action | None:
    """Find what a key does in a pane; what is bound to the pane goes before what holds anywhere."""
    anywhere = None
    for action in among:
        if key in action.keys:
            if pane in action.panes:
                return action
            if not action.panes:
                anywhere = anywhere or action
    return anywhere


class Hint(NamedTuple):
    """A key and its word in the foot line."""

    key: str
    word: str
    acts: bool = False


def hints(pane: PaneId, among: tuple[Action, ...] = ACTIONS) -> list[Hint]:
    """Give the keys that matter in a pane, with their words, for the foot line."""
    hinted = [action for action in among if action.hint and action.keys]
    own = [action for action in hinted if pane in action.panes]
    common = [action for action in hinted if not action.panes]
    return [
        Hint(key_label(action.keys[0]), action.hint, action.acts)
        for action in [*own[: _HINTS - len(common)], *common]
    ]


def help_rows(pane: PaneId, among: tuple[Action, ...] = ACTIONS) -> list[tuple[str, list[Action]]]:
    """Give the groups of the help, those that hold in the pane first.

    The digits go to panes, but not in a pane where they mean something else.
    """
    groups = {
        name: [a for a in among if a.group == name and a.keys and _is_offered(a, pane)]
        for name in GROUPS
    }
    here = [name for name in GROUPS if any(pane in action.panes for action in groups[name])]
    rest = [name for name in GROUPS if name not in here]
    return [(name, groups[name]) for name in [*here, *rest]]


def _is_offered(action: Action, pane: PaneId) -> bool:
    return action.group != "Moving" or not action.panes or pane in action.panes


def keys_label(action: Action) -> str:
    """Write an action's keys: "j ↓"."""
    if action.id == "since" and action.keys:
        return f"{action.keys[0]}…{action.keys[-1]}"
    return " ".join(key_label(key) for key in action.keys)


_LABELS = {
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "⇧Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
}


def key_label(key: str) -> str:
    """Write one key as people call it."""
    if key.startswith("ctrl+"):
        return f"Ctrl-{key[5:].upper()}"
    return _LABELS.get(key, key)


def key_of(label: str) -> str:
    """Give the key that is written so."""
    if label.startswith("Ctrl-"):
        return f"ctrl+{label[5:].lower()}"
    return next((key for key, written in _LABELS.items() if written == label), label)


def on_selection() -> list[Action]:
    """List what can be done with the selection, for the menu."""
    return [action for action in (*_INSTANCES, *DEPLOYS) if action.command is not None]


def parse_command(text: str) -> tuple[Action, list[str]] | None:
    """Read a typed command: an action's id, an alias or the beginning of either, then its words.

    A leading "ten" is allowed, so that a command line of the shell works here too.
    """
    words = text.split()
    if words and words[0] == "ten":
        words = words[1:]
    if not words:
        return None
    name = words[0].replace("-", "_").lower()
    names = {alias: action for action in ACTIONS for alias in (action.id, *action.aliases)}
    if name not in names:
        found = {action.id: action for known, action in names.items() if known.startswith(name)}
        if len(found) != 1:
            return None
        return next(iter(found.values())), words[1:]
    return names[name], words[1:]


def fuzzy(query: str, text: str) -> int | None:
    """Rate how well a text answers a query, lower is better; None where it does not.

    The query's letters must come in order; letters next to each other and at the beginnings of
    words are better.
    """
    query, text = query.lower().replace(" ", ""), text.lower()
    if not query:
        return 0
    straight = text.replace(" ", "").find(query)
    if straight >= 0:
        return straight
    place, cost = -1, 100
    for letter in query:
        found = text.find(letter, place + 1)
        if found < 0:
            return None
        cost += found - place - 1
        place = found
    return cost
