"""The configuration file changes under a running engine."""

import os
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
