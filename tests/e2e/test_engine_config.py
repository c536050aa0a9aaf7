"""The configuration file changes under a running engine."""

import os
import time
from collections.abc import Callable

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

CONFIG = f"""
[settings]
health_check_interval = 1

[service.web]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1
env = {{ WORD = "one" }}

[service.other]
command = "{TENANT}"
isolation = "process"
stop_grace = 1

[instances]
web = ["a", "b"]
other = ["x"]
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def engine(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    for name in ("web:a", "web:b", "other:x"):
        run.wait_state(name, "healthy")
    return run


def test_good_change_touches_only_what_it_is_about(engine: EngineRun) -> None:
    before = engine.instances()
    engine.config.write_text(
        CONFIG.replace('WORD = "one"', 'WORD = "two"').replace(
            'other = ["x"]', 'other = ["x", "y"]'
        )
    )
    wait_until(lambda: engine.visit("a.web") == (200, "two"), "a runs on the new text")
    wait_until(lambda: engine.visit("b.web") == (200, "two"), "b runs on the new text")
    engine.wait_state("other:y", "healthy")
    after = engine.instances()
    assert after["web:a"]["pid"] != before["web:a"]["pid"]
    assert after["other:x"]["pid"] == before["other:x"]["pid"]
    view = engine.get("/api/v1/config")
    assert view["restarted"] == ["web:a", "web:b"]
    assert '+env = { WORD = "two" }' in view["diff"]
    assert view.get("error", "") == ""


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (CONFIG.replace("stop_grace = 1", "stop_grace = ", 1), 9, ""),
        (CONFIG.replace('isolation = "process"', 'isolation = "jail"', 1), 7, "jail"),
        (CONFIG + 'nope = ["x"]\n', 20, "nope"),
    ],
    ids=["syntax", "value", "undefined service"],
)
def test_bad_change_changes_nothing_and_is_shown(
    engine: EngineRun, text: str, line: int, word: str
) -> None:
    before = engine.instances()
    engine.config.write_text(text)
    view = wait_until(
        lambda: (v := engine.get("/api/v1/config")).get("error") and v, "it is refused"
    )
    assert abs(view["error_line"] - line) <= 1
    assert word in view["error"]
    assert view["pending"] == text
    assert view["text"] == CONFIG
    assert {n: v["pid"] for n, v in engine.instances().items()} == {
        n: v["pid"] for n, v in before.items()
    }

    engine.kill_engine()  # the next one goes on with what was in force, not with the broken file
    view = engine.get("/api/v1/config")
    assert (view["text"], view["pending"]) == (CONFIG, text)
    assert engine.instance("web:a")["pid"] == before["web:a"]["pid"]

    engine.config.write_text(CONFIG)
    wait_until(lambda: not engine.get("/api/v1/config").get("error"), "it is right again")
    assert engine.instance("web:a")["pid"] == before["web:a"]["pid"]


def test_removed_service_is_stopped_and_forgotten(engine: EngineRun) -> None:
    text = CONFIG[: CONFIG.index("[service.other]")] + '[instances]\nweb = ["a", "b"]\n'
    engine.config.write_text(text)
    wait_until(lambda: "other:x" not in engine.instances(), "it is gone")
    assert engine.visit("x.other") == (404, "Not found")
    assert engine.state("web:a") == "healthy"


def test_fields_that_need_no_restart_apply_at_once(engine: EngineRun) -> None:
    before = engine.instance("web:a")["pid"]
    engine.config.write_text(CONFIG.replace('health = "/health"', 'health = "/error"'))
    engine.wait_state("web:a", "degraded", "unhealthy", "starting")
    view = engine.get("/api/v1/config")
    assert view.get("restarted", []) == []
    assert before


def test_reload_on_demand_and_data_dir_waits_for_a_new_start(engine: EngineRun) -> None:
    engine.config.write_text(CONFIG.replace("[settings]", '[settings]\ndata_dir = "./elsewhere"'))
    status, _ = engine.request("POST", "/api/v1/config/reload")
    assert status == 200
    (warning,) = engine.get("/api/v1/config")["warnings"]
    assert "data_dir" in warning
    assert engine.state("web:a") == "healthy"


def test_a_file_emptied_by_a_save_under_way_stops_nothing(engine: EngineRun) -> None:
    before = {name: each["pid"] for name, each in engine.instances().items()}
    engine.config.write_text("")
    wait_until(lambda: "Is empty" in engine.get("/api/v1/config").get("error", ""), "it is refused")
    engine.config.write_text(CONFIG)
    wait_until(lambda: not engine.get("/api/v1/config").get("error"), "it is in force again")
    assert {name: each["pid"] for name, each in engine.instances().items()} == before


def test_a_pipe_in_place_of_the_file_is_refused_and_later_changes_are_seen(
    engine: EngineRun,
) -> None:
    engine.config.unlink()
    os.mkfifo(engine.config)
    wait_until(lambda: "pipe" in engine.get("/api/v1/config").get("error", ""), "it is refused")
    engine.config.unlink()
    engine.config.write_text(CONFIG.replace('"one"', '"two"'))
    wait_until(lambda: engine.visit("a.web") == (200, "two"), "the new text is in force")


def test_a_service_put_back_while_it_stops_comes_up_again(engine: EngineRun) -> None:
    """Whatever is written and however quickly: what runs is what the last good file says."""
    without = CONFIG[: CONFIG.index("[service.other]")] + '[instances]\nweb = ["a", "b"]\n'
    changed = CONFIG.replace("[service.other]", '[service.other]\nenv = { WORD = "new" }')
    for pause in (0.0, 0.3, 1.5):
        before = engine.instance("other:x")["pid"]
        engine.config.write_text(without)
        wait_until(
            lambda: engine.state("other:x") not in {"healthy", "degraded"}, "it is being stopped"
        )
        time.sleep(pause)
        engine.config.write_text(CONFIG)
        engine.wait_state("other:x", "healthy")
        wait_until(lambda: engine.visit("x.other")[0] == 200, "it is routed to")
        assert engine.state("web:a") == "healthy"
        if pause == 1.5:
            assert engine.instance("other:x")["pid"] != before
    engine.config.write_text(without)
    wait_until(lambda: engine.state("other:x") != "healthy", "it is being stopped")
    engine.config.write_text(changed)
    wait_until(lambda: engine.visit("x.other") == (200, "new"), "it runs on the new text")
    for text in (without, CONFIG, without, changed, CONFIG, without, changed):
        engine.config.write_text(text)
        time.sleep(0.15)
    wait_until(lambda: engine.get("/api/v1/config")["text"] == changed, "the last is in force")
    wait_until(lambda: engine.visit("x.other") == (200, "new"), "it runs on the last text")
    wait_until(lambda: engine.state("other:x") == "healthy", "it stays")


def test_half_of_a_file_is_waited_for(engine: EngineRun) -> None:
    """What is there so far parses, and would stop a service."""
    before = engine.instance("other:x")["pid"]
    half = CONFIG.index("[service.other]")
    with engine.config.open("w") as file:
        file.write(CONFIG[:half] + "# more comes\n")
        file.flush()
        time.sleep(2.0)
        assert engine.get("/api/v1/config")["text"] == CONFIG
        file.write(CONFIG[half:])
    wait_until(lambda: "more comes" in engine.get("/api/v1/config")["text"], "the whole is read")
    assert engine.instance("other:x")["pid"] == before


def test_what_stayed_down_by_its_policy_comes_up_by_another(make_engine: Make) -> None:
    once = """[service.once]
command = "/bin/sh -c 'test -e $TEN_DATA_DIR/good && exit 0; exit 7'"
isolation = "process"
restart = "{}"
[settings]
backoff_base_ms = 10
[instances]
once = ["x"]
"""
    run = make_engine(once.format("never"))
    run.start()
    assert run.wait_state("once:x", "failed").get("restarts", 0) == 0
    run.config.write_text(once.format("always"))
    wait_until(lambda: run.instance("once:x").get("restarts", 0) >= 1, "it is started again")
    run.stop_instance("once:x")
    run.config.write_text(once.format("never"))
    wait_until(lambda: "never" in run.get("/api/v1/config")["text"], "it is in force")
    run.config.write_text(once.format("always"))
    wait_until(lambda: "always" in run.get("/api/v1/config")["text"], "it is in force")
    assert run.state("once:x") == "stopped", "what a user stopped stays so"
