"""Write the table of what is possible into docs/SECURITY.md: `python -m tests.kernel.probe.render`.

`--check` only tells whether it is there already.
"""

import sys
from pathlib import Path

from tests.kernel.probe.expected import EXPECTED, FOLLOWED, LEVELS

PAGE = Path(__file__).parents[3] / "docs" / "SECURITY.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
TITLES = {
    "process": "`process`",
    "namespace": "`namespace`",
    "strict": '`hardening = "strict"`',
    "private": '`"strict"`, `network = "private"`',
    "outbound": '`"strict"`, `network = "outbound"`',
    "sandbox": "`sandbox`",
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


def rendered(text: str) -> str:
    """Give the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


def main() -> int:
    old = PAGE.read_text()
    new = rendered(old)
    if "--check" in sys.argv:
        return int(old != new)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
