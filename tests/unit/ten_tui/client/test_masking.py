"""What is taken for a secret, and that it does not stand anywhere afterwards."""

import tomllib

import pytest

from engine.core.wire import ConfigView, Event, EventKind
from ten_tui.client.masking import MASK, Masker, is_secret_name

TEXT = '''\
[service.api]  # the API
command = "run --db postgres://me:hunter22@db/x --token=abcdef99"
port = 80
[service.api.env]
API_KEY = """
line-one-secret
"""
"SESSION.SECRET" = 'quo"ted'
DATABASE_URL = "postgres://u:p4ssw0rd@h/db"
PIN_PASSWORD = 123456
MONKEY = "banana"
# OLD_TOKEN = "commented-out"
nested = { password = "inner-pass", user = "me" }
tokens = ["first-token", "second-token"]
'''


@pytest.mark.parametrize(
    "name", ["API_KEY", "apikey", "db_password", "TOKEN", "secret_key_base", "PGPASSWORD", "dsn"]
)
def test_names_that_look_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["MONKEY", "keyboard", "author", "port", "passenger"])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_configuration_keeps_all_but_its_secrets() -> None:
    masked = Masker().config_text(TEXT)
    assert masked is not None
    for secret in ("line-one", 'quo"ted', "p4ssw0rd", "hunter22", "abcdef99", "123456"):
        assert secret not in masked
    for secret in ("commented-out", "inner-pass", "first-token", "second-token"):
        assert secret not in masked
    assert "# the API" in masked
    service = tomllib.loads(masked)["service"]["api"]
    assert service["port"] == 80
    assert service["env"]["MONKEY"] == "banana"
    assert service["env"]["DATABASE_URL"] == f"postgres://u:{MASK}@h/db"
    assert service["env"]["nested"] == {"password": MASK, "user": "me"}


def test_what_cannot_be_read_is_left_out_and_secrets_are_known_elsewhere() -> None:
    masker = Masker()
    view = masker.config(
        ConfigView(
            path="/x", text='api_key = "abcd1234"', loaded_at=1.0, pending="key = ", diff="-key"
        )
    )
    assert (view.text, view.pending, view.diff) == (f'api_key = "{MASK}"', "", "")
    event = Event(id=1, time=1.0, kind=EventKind.LOG, text="got abcd1234", command="x --token zzz9")
    assert masker.event(event).text == f"got {MASK}"
    assert masker.event(event).command == f"x --token {MASK}"
