"""The keys hardening, capabilities and rlimits: what is read, and what is refused where."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.hardening import GRANTABLE, REACHES_HOST, RLIMITS, Hardening, HardeningSpec
from engine.core.reload import spec_digest
from engine.core.spec import ServiceSpec
from engine.kernel.syscalls import CAPABILITIES

API = '[service.api]\ncommand = "./app"\n'


def read(text: str) -> ServiceSpec:
    config = parse_config(API + text, path="/srv/tenement.toml")
    assert config.warnings == ()
    return config.services["api"]


def refused(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_config(API + text, path="/srv/tenement.toml")
    return caught.value


def test_nothing_said_is_the_default() -> None:
    assert read("").hardening == HardeningSpec(level=Hardening.DEFAULT)


def test_every_key() -> None:
    text = """hardening = "strict"
capabilities = ["net_bind_service", "CAP_CHOWN", "chown"]
[service.api.rlimits]
nofile = "1024:65536"
core = "unlimited"
nproc = 100
stack = " 8388608 : infinity "
"""
    assert read(text).hardening == HardeningSpec(
        level=Hardening.STRICT,
        capabilities=("chown", "net_bind_service"),
        rlimits={
            "nofile": (1024, 65536),
            "core": (-1, -1),
            "nproc": (100, 100),
            "stack": (8388608, -1),
        },
    )


def test_every_capability_is_either_granted_or_refused_with_its_reason() -> None:
    assert GRANTABLE.isdisjoint(REACHES_HOST)
    assert GRANTABLE | REACHES_HOST.keys() == set(CAPABILITIES)


def test_every_resource_limit_is_one_the_launch_can_set() -> None:
    import resource

    assert all(hasattr(resource, f"RLIMIT_{name.upper()}") for name in RLIMITS)


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ('hardening = "strickt"', 3, 13, "unknown level 'strickt'", 'did you mean "strict"?'),
        ("hardening = true", 3, 13, "invalid type: boolean `true`, expected a string", ""),
        (
            'capabilities = ["chown", "net_bind_servise"]',
            3,
            26,
            "unknown capability 'net_bind_servise'",
            'did you mean "net_bind_service"?',
        ),
        ('capabilities = ["zzz"]', 3, 17, "unknown capability 'zzz'", "see capabilities(7)"),
        (
            'capabilities = ["CAP_SYS_ADMIN"]',
            3,
            17,
            "capability sys_admin leads out of the instance: it undoes the isolation",
            'leave it out, or give up the protection with hardening = "off"',
        ),
        ('capabilities = "chown"', 3, 16, "invalid type: string 'chown', expected an array", ""),
        ("rlimits = 3", 3, 11, "invalid type: integer `3`, expected a table", ""),
        (
            "[service.api.rlimits]\nnofiles = 3",
            4,
            1,
            "unknown resource limit 'nofiles'",
            'did you mean "nofile"?',
        ),
        ("[service.api.rlimits]\nnofile = -1", 4, 10, "'-1' is no limit", "for example 65536"),
        ("[service.api.rlimits]\nnofile = true", 4, 10, "'True' is no limit", "for example"),
        ('[service.api.rlimits]\nnofile = "1:2:3"', 4, 10, "'1:2:3' is no limit", "for example"),
        ('[service.api.rlimits]\nnofile = ""', 4, 10, "'' is no limit", "for example 65536"),
        ('[service.api.rlimits]\nnofile = "²"', 4, 10, "'²' is no limit", "for example 65536"),
        (
            '[service.api.rlimits]\nnofile = "9:8"',
            4,
            10,
            "the soft limit, the first, is above the hard limit",
            "",
        ),
        (
            '[service.api.rlimits]\nnofile = "unlimited:8"',
            4,
            10,
            "the soft limit, the first, is above the hard limit",
            "",
        ),
    ],
)
def test_what_is_refused(text: str, line: int, column: int, message: str, hint: str) -> None:
    error = refused(text)
    assert (error.line, error.column) == (line, column)
    assert message in str(error)
    assert error.hint.startswith(hint)


def test_off_takes_any_capability() -> None:
    spec = read('hardening = "off"\ncapabilities = ["sys_admin"]')
    assert spec.hardening.capabilities == ("sys_admin",)


def test_without_namespaces_it_has_no_effect_and_says_so() -> None:
    text = API + 'isolation = "process"\nhardening = "default"\ncapabilities = ["chown"]\n'
    assert parse_config(text, path="/x").warnings == (
        'line 4: hardening has no effect with isolation = "process"',
        'line 5: capabilities has no effect with isolation = "process"',
    )


def test_strict_is_not_taken_for_nothing() -> None:
    error = refused('isolation = "process"\nhardening = "strict"')
    assert 'hardening = "strict" cannot be had with isolation = "process"' in str(error)
    assert (error.line, error.hint) == (4, 'use isolation = "namespace"')


def test_a_change_restarts() -> None:
    digests = {
        spec_digest(read(text))
        for text in (
            "",
            'hardening = "strict"',
            'capabilities = ["chown"]',
            "rlimits = {core = 1}",
        )
    }
    assert len(digests) == 4
