"""Texts of a configuration, read and refused."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.spec import (
    Config,
)

PATH = "/srv/app/tenement.toml"
API = '[service.api]\ncommand = "./app"\n'


def read(text: str, **options: object) -> Config:
    return parse_config(text, path=PATH, **options)  # type: ignore[arg-type]


def refused(text: str, **options: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read(text, **options)
    assert caught.value.path == PATH
    return caught.value
