"""Write the tables of what is possible: `python -m tests.kernel.probe.render`.

`--check` only tells whether it is there already.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.kernel.probe.expected import EXPECTED, FOLLOWED, GROUPS, LEVELS

TOP = Path(__file__).parents[3]
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
TITLES = {
    "process": "`process`",
    "namespace": "`namespace`",
    "strict": '`hardening = "strict"`',
    "rootfs": '`"strict"`, `rootfs`',
    "private": '`"strict"`, `network = "private"`',
    "outbound": '`"strict"`, `network = "outbound"`',
    "sandbox": '`sandbox`, `network = "private"`',
}
WORDS = {True: "**yes**", False: "no", None: "host", "own": "own"}


def table() -> str:
    """Give the whole table, in the order of the tries."""
    head = ["tries to", *(TITLES[level] for level in LEVELS)]
    rows = [head, ["---"] * len(head)]
    rows += [
        [name, *(WORDS[value] for value in row)] for name, row in (EXPECTED | FOLLOWED).items()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def summary() -> str:
    """Give the number of tries of each group that work, and of those that the host decides."""
    head = ["tries to get at", *(TITLES[level] for level in LEVELS)]
    rows = [head, ["---"] * len(head)]
    for group, tries in GROUPS.items():
        columns = zip(*tries.values(), strict=True)
        rows.append([f"{group} ({len(tries)})", *map(_count, columns)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _count(column: Sequence[bool | str | None]) -> str:
    counts = [
        f"**{column.count(True)} work**" if column.count(True) else "",
        f"{column.count(None)} host" if column.count(None) else "",
    ]
    return ", ".join(filter(None, counts)) or "none"


PAGES: dict[Path, Callable[[], str]] = {
    TOP / "docs" / "SECURITY.md": table,
    TOP / "README.md": summary,
}


def rendered(text: str, content: str) -> str:
    """Give the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{content}{END}{rest.partition(END)[2]}"


def main() -> int:
    is_same = True
    for page, give in PAGES.items():
        old = page.read_text()
        new = rendered(old, give())
        is_same = is_same and old == new
        if "--check" not in sys.argv:
            page.write_text(new)
    return int("--check" in sys.argv and not is_same)


if __name__ == "__main__":
    sys.exit(main())
