"""What the isolation card and `ten inspect` say: the plan, and beside it what is really so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.core.inspection import PlanFrom
from engine.core.spec import Isolation
from ten_tui import format as fmt
from ten_tui.store.why import Fact
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.doctor import Line
    from engine.core.inspection import Inspection, Live, MountFact

_PLANS = {
    PlanFrom.LAUNCH: "as it was carried out",
    PlanFrom.REBUILT: "rebuilt from the configuration: the one carried out is lost",
    PlanFrom.CONFIGURATION: "what a start would do now; nothing runs",
}
_FROM_OUTSIDE = "runsc, as the host sees it; the program's own is in gVisor's kernel"
_SIZES = frozenset(
    {"memory.current", "memory.peak", "memory.swap.current", "memory.max", "memory.high"}
    | {"memory.swap.max", "resident"}
)
_SETS = ("effective", "permitted", "inheritable", "bounding", "ambient")
_LONG = 40
_ALL_CAPABILITIES = 38
"""A set with so many is called "all of them"."""


class Section(NamedTuple):
    """Facts under a heading."""

    title: str
    facts: tuple[Fact, ...]


def sections_of(found: Inspection) -> list[Section]:
    """Put an inspection into words; sections without a fact are left out."""
    sections = [Section("", _head(found))]
    if found.mismatches:
        bad = tuple(Fact("", text, Ink.BAD) for text in found.mismatches)
        sections.append(Section("not as planned", bad))
    title = "plan, and what is seen of it" if found.live else "plan"
    sections.append(Section(title, _steps(found)))
    if found.live is None:
        return [*sections, Section("environment, names only", _names(found.environment))]
    live = found.live
    sections += [
        Section("namespaces", _namespaces(live)),
        Section("identity", _identity(live)),
        Section("limits", (*_limits(found), *_rlimits(live))),
        Section("usage", _usage(live)),
        Section("mounts unlike the engine's", tuple(map(_mount, live.mounts))),
        Section("processes", _processes(live)),
        Section("environment, names only", _names(live.environment)),
        Section("not readable", tuple(Fact("", text, Ink.WARN) for text in live.unread)),
    ]
    return [each for each in sections if each.facts]


def _head(found: Inspection) -> tuple[Fact, ...]:
    facts = [Fact("state", found.state), Fact("isolation", found.isolation)]
    if found.live is not None:
        facts[-1] = Fact("runtime", found.live.runtime)
        if found.isolation == Isolation.SANDBOX:
            facts.append(Fact("shown", _FROM_OUTSIDE))
        facts.append(Fact("cgroup", found.live.cgroup or "none"))
    facts.append(Fact("plan", _PLANS[found.plan_from], _PLAN_INKS[found.plan_from]))
    return tuple(facts)


_PLAN_INKS = {
    PlanFrom.LAUNCH: Ink.OK,
    PlanFrom.REBUILT: Ink.WARN,
    PlanFrom.CONFIGURATION: Ink.DIM,
}


def _steps(found: Inspection) -> tuple[Fact, ...]:
    return tuple(
        Fact(short_step(step.text), step.seen, Ink.BAD if step.is_off else Ink.TEXT)
        for step in found.steps
    )


def short_step(text: str) -> str:
    """Name of a long list only the first: "mask /proc/acpi and 23 more"."""
    first, *more = text.split(",")
    return f"{first} and {len(more)} more" if len(text) > _LONG and more else text


def _namespaces(live: Live) -> tuple[Fact, ...]:
    facts = [
        Fact(each.kind, f"{each.inode or 'not readable'}  its own", Ink.OK)
        if each.is_own
        else Fact(each.kind, f"{each.inode or 'not readable'}  the engine's", Ink.DIM)
        for each in live.namespaces
    ]
    if live.addresses:
        facts.append(Fact("addresses", " ".join(live.addresses)))
    return tuple(facts)


def _identity(live: Live) -> tuple[Fact, ...]:
    name = f" ({live.user})" if live.user else ""
    facts = [
        Fact("uid", f"{_ids(live.uid)}{name}"),
        Fact("gid", _ids(live.gid)),
        Fact("groups", " ".join(map(str, live.groups)) or "none"),
    ]
    for kind in _SETS:
        if kind in live.capabilities:
            held = live.capabilities[kind]
            text = "all of them" if len(held) >= _ALL_CAPABILITIES else ", ".join(held)
            facts.append(Fact(f"{kind} caps", text or "none"))
    filters = f", {fmt.plural(live.filters, 'filter')}" if live.filters > 0 else ""
    facts.append(Fact("no_new_privs", "set" if live.no_new_privs else "not set"))
    facts.append(Fact("seccomp", f"{live.seccomp}{filters}"))
    return tuple(facts)


def _ids(ids: tuple[int, ...]) -> str:
    """Write real, effective, saved and file system id, once where they are the same."""
    return " ".join(map(str, dict.fromkeys(ids)))


def _limits(found: Inspection) -> list[Fact]:
    live = found.live
    off = {each.file: each.wanted for each in found.limits if each.is_off}
    facts = []
    for name, text in (live.limits if live else {}).items():
        wanted = f"  but {off[name]} is asked for" if name in off else ""
        ink = Ink.BAD if name in off else Ink.TEXT
        facts.append(Fact(name, _figure(name, text.replace("\n", "; ")) + wanted, ink))
    known = live.limits if live else {}
    facts += [
        Fact(name, f"no such file; {wanted} is asked for", Ink.BAD)
        for name, wanted in off.items()
        if name not in known
    ]
    return facts


def _rlimits(live: Live) -> list[Fact]:
    return [
        Fact(f"rlimit {name}", soft if soft == hard else f"{soft}, at most {hard}", Ink.DIM)
        for name, (soft, hard) in live.rlimits.items()
    ]


def _usage(live: Live) -> tuple[Fact, ...]:
    return tuple(
        Fact(name, _figure(name, "; ".join(text.splitlines()))) for name, text in live.usage.items()
    )


def _figure(name: str, text: str) -> str:
    """Write bytes with their unit."""
    return f"{fmt.size(int(text))} ({text} bytes)" if name in _SIZES and text.isdigit() else text


def _mount(each: MountFact) -> Fact:
    if each.change == "gone":
        return Fact(each.target, f"is not there: the host's {each.fstype}", Ink.DIM)
    return Fact(each.target, f"{each.fstype}  {each.source}  {each.options}")


def _processes(live: Live) -> tuple[Fact, ...]:
    facts = []
    for each in live.processes:
        inner = f" ({each.inner_pid} inside)" if each.inner_pid != each.pid else ""
        role = "  the program" if each.pid == live.main_pid else ""
        facts.append(Fact(f"{each.pid}{inner}", f"{each.name}  {each.state}  uid {each.uid}{role}"))
    return tuple(facts)


def _names(names: tuple[str, ...]) -> tuple[Fact, ...]:
    return (Fact("", ", ".join(names), Ink.DIM),) if names else ()


_DOCTOR_INKS = {
    "yes": Ink.OK,
    "partly": Ink.WARN,
    "no": Ink.DIM,
    "fail": Ink.BAD,
    "why": Ink.DIM,
    "fix": Ink.INFO,
    "sum": Ink.OK,
}


def sections_of_report(lines: list[Line]) -> list[Section]:
    """Put the doctor's lines into sections, a group each."""
    sections: list[Section] = []
    for line in lines:
        if line.kind == "group" or not sections:
            sections.append(Section(line.text if line.kind == "group" else "", ()))
        if line.kind in {"group", ""}:
            continue
        fact = Fact("", line.text, _DOCTOR_INKS.get(line.kind, Ink.TEXT))
        sections[-1] = Section(sections[-1].title, (*sections[-1].facts, fact))
    return sections
