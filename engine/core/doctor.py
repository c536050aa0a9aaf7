"""What a host can and cannot do, as found out and as shown.

Finding it out is `engine.runtime.doctor`; here are the records, which go over the API as they
are, and the lines made of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

REPORT_VERSION = 1
"""Of the JSON; grows when a field changes its meaning or goes."""


class Answer(StrEnum):
    """Whether the host can do something."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One capability of the host.

    Attributes:
        name: Stable, for example "cgroup.memory"; the part before the dot is its group.
        title: The same in words.
        value: Whether it is there.
        detail: What was seen: a version, a path, a figure.
        why: Why it is not there, or not wholly; "" where it is.
        fix: The line that mends it, "" where nothing does.
        needed_by: Keys of the configuration that ask for it.
    """

    name: str
    title: str
    value: Answer
    detail: str = ""
    why: str = ""
    fix: str = ""
    needed_by: tuple[str, ...] = ()

    @property
    def is_failing(self) -> bool:
        """Tell whether the configuration needs it and it is not there."""
        return self.value is Answer.NO and bool(self.needed_by)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All findings on one host.

    Attributes:
        version: `REPORT_VERSION`.
        is_good: Everything this configuration needs is there.
        host: Its name.
        config: Path of the configuration that was looked at, "" where there is none.
        findings: Those of a group stand together.
    """

    is_good: bool
    host: str
    config: str = ""
    findings: tuple[Finding, ...] = ()
    version: int = REPORT_VERSION


class Line(NamedTuple):
    """A line of text and what it is.

    Attributes:
        kind: "group", "yes", "no", "partly", "fail" (missing and needed), "why", "fix", "sum" or
            "" (a blank line).
    """

    kind: str
    text: str


_GLYPHS = {Answer.YES: "●", Answer.NO: "○", Answer.PARTLY: "◐"}
_ASCII = {Answer.YES: "+", Answer.NO: "-", Answer.PARTLY: "~"}
_FAIL, _FAIL_ASCII = "✖", "x"
_TITLE_WIDTH = 24
_MARGIN = " " * 4


def report_of(host: str, config: str, findings: Iterable[Finding]) -> Report:
    """Put findings together."""
    found = tuple(findings)
    is_good = not any(each.is_failing for each in found)
    return Report(is_good=is_good, host=host, config=config, findings=found)


def lines_of(report: Report, *, is_ascii: bool = False) -> list[Line]:
    """Lay a report out: groups, one line a finding, below it what is wrong and what helps."""
    lines: list[Line] = []
    group = ""
    for each in report.findings:
        if each.name.partition(".")[0] != group:
            lines += [Line("", "")] if group else []
            group = each.name.partition(".")[0]
            lines.append(Line("group", group))
        lines += _lines_of_finding(each, is_ascii=is_ascii)
    return [*lines, Line("", ""), *_sum(report)]


def _lines_of_finding(each: Finding, *, is_ascii: bool) -> list[Line]:
    glyph = (_ASCII if is_ascii else _GLYPHS)[each.value]
    kind: str = each.value
    if each.is_failing:
        kind, glyph = "fail", _FAIL_ASCII if is_ascii else _FAIL
    head = f"  {glyph} {each.value:<6} {each.title:<{_TITLE_WIDTH}} {each.detail}".rstrip()
    lines = [Line(kind, head)]
    if each.why:
        lines.append(Line("why", f"{_MARGIN}{each.why}"))
    if each.needed_by and each.value is not Answer.YES:
        lines.append(Line("why", f"{_MARGIN}asked for by {_some(each.needed_by)}"))
    if each.fix:
        lines.append(Line("fix", f"{_MARGIN}{'->' if is_ascii else '→'} {each.fix}"))
    return lines


def _some(names: tuple[str, ...], count: int = 4) -> str:
    """Name a few, and say how many more there are."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")


def _sum(report: Report) -> list[Line]:
    failing = [each for each in report.findings if each.is_failing]
    lacking = sum(each.value is not Answer.YES for each in report.findings)
    counted = f"{len(report.findings) - lacking} of {len(report.findings)} are there in full"
    whose = report.config or "a configuration without services"
    if not failing:
        return [Line("sum", f"{report.host} has all that {whose} needs; {counted}.")]
    names = ", ".join(each.title for each in failing)
    return [Line("fail", f"{report.host} lacks what {whose} needs: {names}; {counted}.")]
