"""What the console can do about deploys: the part of the registry that is about versions."""

from __future__ import annotations

from ten_tui.action import Action
from ten_tui.store.arrange import PaneId

_HERE = frozenset({PaneId.DEPLOYS})
_NEAR = frozenset({PaneId.TABLE, PaneId.DETAIL, PaneId.DEPLOYS})


def _service(name: str) -> str:
    return name.partition(":")[0]


DEPLOYS = (
    Action("deploys", "versions and rollout of the service", ("D",), group="Deploys"),
    Action(
        "deploy",
        "deploy a version",
        ("d",),
        _NEAR,
        "Deploys",
        acts=True,
        takes="SERVICE:VERSION [--strategy canary ...]",
    ),
    Action(
        "rollback",
        "go back to the version before",
        ("b",),
        _NEAR,
        "Deploys",
        "back",
        acts=True,
        command=lambda name: f"ten rollback {_service(name)}",
        takes="[SERVICE]",
    ),
    Action(
        "pause_rollout",
        "hold the rollout, or let it go on",
        ("p",),
        _HERE,
        "Deploys",
        "pause",
        acts=True,
    ),
    Action(
        "promote",
        "leave out pauses, or the window",
        ("P",),
        _HERE,
        "Deploys",
        "promote",
        acts=True,
        takes="[SERVICE]",
    ),
    Action(
        "abort",
        "give the rollout up",
        ("a",),
        _HERE,
        "Deploys",
        "abort",
        acts=True,
        takes="[SERVICE]",
    ),
    Action(
        "rollout",
        "pause, resume, promote, abort, undo",
        (),
        group="Deploys",
        takes="[WORD] [SERVICE]",
    ),
)
