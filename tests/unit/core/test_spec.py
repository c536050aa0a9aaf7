import msgspec
import pytest

from engine.core.spec import RESTART_FIELDS, Config, ServiceSpec, Settings


def test_a_configuration_survives_being_written_down() -> None:
    spec = ServiceSpec(name="api", command="x", args=("a",), env={"A": "1"})
    config = Config(
        path="/x",
        settings=Settings(data_dir="/d"),
        services={"api": spec},
        instances=(("api", "a"),),
    )
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_values_do_not_change() -> None:
    with pytest.raises(AttributeError):
        ServiceSpec(name="api", command="x").command = "y"  # type: ignore[misc]


def test_restart_fields_are_fields() -> None:
    assert set(ServiceSpec.__struct_fields__) > RESTART_FIELDS
