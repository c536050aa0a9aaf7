"""What a change of the configuration means."""

from typing import Any

import msgspec
import pytest

from engine.core.limits import LimitsSpec
from engine.core.reload import Change, change_between, declared, spec_digest, unified
from engine.core.spec import RESTART_FIELDS, Config, ServiceSpec, Settings


def config(*services: ServiceSpec, instances: tuple[tuple[str, str], ...] = ()) -> Config:
    return Config(
        path="/etc/tenement.toml",
        settings=Settings(data_dir="/data"),
        services={spec.name: spec for spec in services},
        instances=instances,
    )


API = ServiceSpec(name="api", command="./api", env={"A": "1", "B": "2"})
WEB = ServiceSpec(name="web", command="./web")
RUNNING = {"api:a": spec_digest(API), "api:b": spec_digest(API), "web:a": spec_digest(WEB)}


def test_nothing_changed_touches_nothing() -> None:
    assert change_between(config(API, WEB), config(API, WEB), RUNNING) == Change()


def test_new_declarations_start_and_removed_ones_are_left_alone() -> None:
    old = config(API, WEB, instances=(("api", "a"), ("api", "b")))
    new = config(API, WEB, instances=(("api", "b"), ("web", "z")))
    assert change_between(old, new, RUNNING) == Change(start=("web:z",))
    assert declared(new) == ("api:b", "web:z")


def test_instances_of_a_removed_service_stop() -> None:
    change = change_between(config(API, WEB), config(WEB), RUNNING)
    assert change == Change(stop=("api:a", "api:b"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", "./other"),
        ("args", ("-v",)),
        ("isolation", "process"),
        ("socket", "/tmp/s"),
        ("env", {"A": "2"}),
        ("workdir", "/srv"),
    ],
)
def test_fields_of_the_process_restart_what_runs_on_the_old_ones(field: str, value: Any) -> None:
    assert field in RESTART_FIELDS
    changed = msgspec.structs.replace(API, **{field: value})
    running = RUNNING | {"api:stopped": ""}
    change = change_between(config(API, WEB), config(changed, WEB), running)
    assert change == Change(restart=("api:a", "api:b"))


def test_other_fields_apply_without_a_restart() -> None:
    changed = msgspec.structs.replace(
        API,
        health="/h",
        idle_timeout_seconds=5,
        max_instances=2,
        log_limit_bytes=2**20,
        memory_limit_mb=5,
        cpu_shares=5,
        limits=LimitsSpec(pids_max=5),
    )
    assert change_between(config(API, WEB), config(changed, WEB), RUNNING) == Change()


def test_the_order_of_variables_means_nothing() -> None:
    turned = msgspec.structs.replace(API, env={"B": "2", "A": "1"})
    assert spec_digest(turned) == spec_digest(API)


def test_what_only_a_new_start_can_apply_is_said() -> None:
    old = config(API)
    new = msgspec.structs.replace(old, settings=Settings(data_dir="/elsewhere"))
    (warning,) = change_between(old, new, {}).warnings
    assert "settings.data_dir" in warning


def test_diff_shows_what_changed() -> None:
    assert unified("a\nb\n", "a\nb\n") == ""
    assert unified("a\nb\n", "a\nc\n").splitlines()[-2:] == ["-b", "+c"]
