from engine.core.doctor import Answer, Finding, lines_of, report_of
from engine.core.inspection import (
    Inspection,
    LimitFact,
    Live,
    MountFact,
    NamespaceFact,
    PlanFrom,
    ProcessFact,
    StepFact,
)
from ten_tui.cli.inspecting import lines_of as text_of
from ten_tui.store.inspection import Section, sections_of, sections_of_report, short_step
from ten_tui.store.why import Fact
from ten_tui.theme import Ink

LIVE = Live(
    pid=10,
    main_pid=12,
    runtime="namespace",
    namespaces=(
        NamespaceFact(kind="mnt", inode=7, is_own=True),
        NamespaceFact(kind="net", inode=8, is_own=False),
    ),
    addresses=("127.0.0.1", "10.0.0.2"),
    uid=(5, 5, 5, 5),
    gid=(6, 6, 0, 6),
    capabilities={"effective": (), "bounding": tuple(f"cap_{n}" for n in range(41))},
    seccomp="filter",
    filters=2,
    mounts=(
        MountFact(target="/tmp", change="new", fstype="tmpfs", source="tmpfs", options="ro"),
        MountFact(target="/boot", change="gone", fstype="ext4"),
    ),
    limits={"memory.max": "1048576", "pids.max": "max"},
    usage={"memory.current": "2048", "cpu.stat": "usage_usec 5\nuser_usec 4"},
    rlimits={"core": ("0", "0"), "nofile": ("9", "20")},
    processes=(ProcessFact(pid=12, name="python3", state="S", uid=5, inner_pid=2),),
    environment=("HOME", "SECRET_KEY"),
)
FOUND = Inspection(
    name="api:a",
    state="healthy",
    isolation="namespace",
    plan_from=PlanFrom.LAUNCH,
    steps=(
        StepFact(text="setsid"),
        StepFact(text="hide /tmp", seen="the host's is seen there", is_off=True),
    ),
    live=LIVE,
    limits=(
        LimitFact(file="pids.max", wanted="50", found="max"),
        LimitFact(file="cpu.max", wanted="1 2", found=""),
    ),
    mismatches=("hide /tmp: the host's is seen there",),
)


def by_title(found: Inspection) -> dict[str, dict[str, Fact]]:
    return {each.title: {fact.label: fact for fact in each.facts} for each in sections_of(found)}


def test_plan_and_process_stand_side_by_side_and_what_is_off_is_marked() -> None:
    told = by_title(FOUND)
    plan = told["plan, and what is seen of it"]
    assert plan["setsid"].text == ""
    assert plan["hide /tmp"] == Fact("hide /tmp", "the host's is seen there", Ink.BAD)
    assert told["not as planned"][""].ink is Ink.BAD
    assert told["namespaces"]["mnt"].text == "7  its own"
    assert told["namespaces"]["net"].text == "8  the engine's"


def test_identity_limits_and_figures_have_words_and_units() -> None:
    told = by_title(FOUND)
    assert told["identity"]["uid"].text == "5"
    assert told["identity"]["gid"].text == "6 0"
    assert told["identity"]["effective caps"].text == "none"
    assert told["identity"]["bounding caps"].text == "all of them"
    assert told["identity"]["seccomp"].text == "filter, 2 filters"
    assert told["limits"]["memory.max"].text == "1.0M (1048576 bytes)"
    assert told["limits"]["pids.max"].text == "max  but 50 is asked for"
    assert told["limits"]["cpu.max"].text == "no such file; 1 2 is asked for"
    assert told["limits"]["rlimit nofile"].text == "9, at most 20"
    assert told["usage"]["cpu.stat"].text == "usage_usec 5; user_usec 4"
    assert told["mounts unlike the engine's"]["/boot"].text == "is not there: the host's ext4"
    assert told["processes"]["12 (2 inside)"].text == "python3  S  uid 5  the program"
    assert told["environment, names only"][""].text == "HOME, SECRET_KEY"


def test_nothing_running_shows_the_plan_alone() -> None:
    still = Inspection(
        name="api:a",
        state="stopped",
        isolation="namespace",
        plan_from=PlanFrom.CONFIGURATION,
        steps=(StepFact(text="setsid"),),
        environment=("PORT",),
    )
    assert [each.title for each in sections_of(still)] == ["", "plan", "environment, names only"]
    assert "nothing runs" in by_title(still)[""]["plan"].text


def test_long_lists_are_named_by_their_first() -> None:
    assert short_step("hide /a,/b") == "hide /a,/b"
    assert short_step("mask " + ",".join(f"/proc/number-{n}" for n in range(9))) == (
        "mask /proc/number-0 and 8 more"
    )


def test_text_has_two_columns_wraps_in_a_terminal_only_and_lets_no_sequence_through() -> None:
    section = Section("here", (Fact("a", "word " * 20), Fact("b" * 60, "x"), Fact("c\x1b[2J", "y")))
    wide = text_of(section, width=0, is_coloured=False)
    assert wide[:2] == ["", "here"]
    assert wide[2].endswith("word")
    assert wide[3] == "  " + "b" * 60
    assert wide[4].strip() == "x"
    assert "\x1b" not in "".join(wide)
    narrow = text_of(section, width=80, is_coloured=False)
    assert len(narrow) > len(wide)
    assert max(len(line) for line in narrow if "word" in line) <= 80
    assert "\x1b[31mx\x1b[0m" in "".join(
        text_of(Section("", (Fact("a", "x", Ink.BAD),)), width=80, is_coloured=True)
    )


def test_a_report_becomes_a_section_for_each_group() -> None:
    report = report_of(
        "box",
        "",
        [
            Finding(name="a.x", title="x", value=Answer.YES),
            Finding(name="b.y", title="y", value=Answer.NO, why="w", fix="f"),
        ],
    )
    sections = sections_of_report(lines_of(report))
    assert [each.title for each in sections] == ["a", "b"]
    assert [fact.ink for fact in sections[1].facts] == [Ink.DIM, Ink.DIM, Ink.INFO, Ink.OK]
