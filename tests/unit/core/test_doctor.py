import msgspec

from engine.core.doctor import Answer, Finding, Report, lines_of, report_of

FINE = Finding(name="kernel.version", title="Linux", value=Answer.YES, detail="6.1")
HALF = Finding(name="kernel.clock", title="clock", value=Answer.PARTLY, why="nothing", fix="do it")
GONE = Finding(name="memory.swap", title="swap", value=Answer.NO, why="none is on")
NEEDED = Finding(
    name="isolation.pid",
    title="pid namespaces",
    value=Answer.NO,
    why="forbidden",
    fix="allow it",
    needed_by=tuple(f"service.{name}.isolation" for name in "abcdef"),
)


def test_what_is_missing_but_not_asked_for_does_no_harm() -> None:
    report = report_of("box", "/srv/tenement.toml", [FINE, HALF, GONE])
    assert report.is_good
    assert lines_of(report)[-1].text == (
        "box has all that /srv/tenement.toml needs; 1 of 3 are there in full."
    )


def test_what_is_missing_and_asked_for_fails_and_names_who_asks() -> None:
    report = report_of("box", "/srv/tenement.toml", [FINE, NEEDED])
    assert not report.is_good
    kinds = [line.kind for line in lines_of(report)]
    assert kinds == ["group", "yes", "", "group", "fail", "why", "why", "fix", "", "fail"]
    text = "\n".join(line.text for line in lines_of(report, is_ascii=True))
    assert "  x no     pid namespaces" in text
    assert "asked for by service.a.isolation, service.b.isolation" in text
    assert "and 2 more" in text
    assert "-> allow it" in text
    assert text.isascii()
    assert text.endswith(
        "lacks what /srv/tenement.toml needs: pid namespaces; 1 of 2 are there in full."
    )


def test_partly_there_and_asked_for_is_no_failure() -> None:
    asked = msgspec.structs.replace(HALF, needed_by=("service.a.isolation",))
    assert report_of("box", "", [asked]).is_good


def test_groups_are_headed_once_and_fine_ones_say_no_more_than_one_line() -> None:
    lines = lines_of(report_of("box", "", [FINE, HALF, GONE]))
    assert [line.text for line in lines if line.kind == "group"] == ["kernel", "memory"]
    assert lines[1].text == "  ● yes    Linux                    6.1"
    assert lines[2].text.endswith("clock")


def test_the_json_is_the_record_and_comes_back() -> None:
    report = report_of("box", "/c", [FINE, NEEDED])
    data = msgspec.json.encode(report)
    assert msgspec.json.decode(data, type=Report) == report
    plain = msgspec.json.decode(data)
    assert (plain["version"], plain["is_good"]) == (1, False)
    assert set(plain["findings"][0]) == {
        "name",
        "title",
        "value",
        "detail",
        "why",
        "fix",
        "needed_by",
    }
