"""What is refused in a file, where, and in which words."""

import pytest

from engine.core.config import describe_error
from engine.core.errors import SpecError
from tests.configs import API, PATH, refused

COUNT = "expected a whole number from 0 to 9223372036854775807"


@pytest.mark.parametrize(
    ("text", "message", "key", "line", "column"),
    [
        # The peer refuses these, too.
        ('[service.api]\nhealth = "/"\n', "missing field `command`", "service.api.command", 1, 1),
        (
            "[service.api]\ncommand = 3\n",
            "invalid type: integer `3`, expected a string",
            "service.api.command",
            2,
            11,
        ),
        (
            API + 'storage_persist = "no"\n',
            "invalid type: string 'no', expected a boolean",
            "service.api.storage_persist",
            3,
            19,
        ),
        (
            API + "idle_timeout = true\n",
            f"invalid type: boolean `true`, {COUNT}",
            "service.api.idle_timeout",
            3,
            16,
        ),
        (
            API + "idle_timeout = 1.5\n",
            f"invalid type: floating point `1.5`, {COUNT}",
            "service.api.idle_timeout",
            3,
            16,
        ),
        (
            API + "idle_timeout = 1979-05-27\n",
            f"invalid type: datetime, {COUNT}",
            "service.api.idle_timeout",
            3,
            16,
        ),
        (
            API + "idle_timeout = -1\n",
            f"invalid value: integer `-1`, {COUNT}",
            "service.api.idle_timeout",
            3,
            16,
        ),
        (
            API + "idle_timeout = 18446744073709551616\n",
            f"invalid value: integer `18446744073709551616`, {COUNT}",
            "service.api.idle_timeout",
            3,
            16,
        ),
        (
            API + "memory_limit_mb = 4294967296\n",
            "invalid value: integer `4294967296`, expected a whole number from 0 to 4294967295",
            "service.api.memory_limit_mb",
            3,
            19,
        ),
        (
            "[settings.tls]\nhttps_port = 65536\n",
            "invalid value: integer `65536`, expected a whole number from 0 to 65535",
            "settings.tls.https_port",
            2,
            14,
        ),
        (
            "[settings]\nmax_restarts = 0x" + "f" * 100 + "\n",
            "invalid value: integer `0x"
            + "f" * 58
            + "…`, expected a whole number from 0 to 4294967295",
            "settings.max_restarts",
            2,
            16,
        ),
        (
            API + "args = 'x'\n",
            "invalid type: string 'x', expected an array of strings",
            "service.api.args",
            3,
            8,
        ),
        (
            API + "args = ['a',\n  2]\n",
            "invalid type: integer `2`, expected a string",
            "service.api.args[1]",
            4,
            3,
        ),
        (
            API + "[service.api.env]\nA = 'x'\nB = 1\n",
            "invalid type: integer `1`, expected a string",
            "service.api.env.B",
            5,
            5,
        ),
        (
            API + "env = ['A']\n",
            "invalid type: sequence, expected a table of strings",
            "service.api.env",
            3,
            7,
        ),
        (
            API + 'isolation = "Process"\n',
            "unknown variant `Process`, expected one of `process`, `namespace`, `sandbox`",
            "service.api.isolation",
            3,
            13,
        ),
        (
            "[instances]\nweb = ['x']\n",
            "Instance references undefined service 'web'. Define it in [service.web] first.",
            "instances.web",
            2,
            1,
        ),
        ("service = 3\n", "invalid type: integer `3`, expected a table", "service", 1, 11),
        (
            "[service]\napi = './app'\n",
            "invalid type: string './app', expected a table",
            "service.api",
            2,
            7,
        ),
        (
            API + "health = {}\n",
            "invalid type: map, expected a string",
            "service.api.health",
            3,
            10,
        ),
        ("[[settings]]\n", "invalid type: sequence, expected a table", "settings", 1, 1),
        (
            '[settings]\ndata_dir = "~/x"\n',
            "data_dir '~/x' starts with '~'. Tilde is not expanded",
            "settings.data_dir",
            2,
            12,
        ),
        # These are ours.
        (
            API + 'isolation = "firecracker"\n',
            "isolation = 'firecracker' is out of scope: virtual machines are not supported",
            "service.api.isolation",
            3,
            13,
        ),
        (
            API + 'image = "x"\n',
            "image is out of scope: container images are not supported",
            "service.api.image",
            3,
            9,
        ),
        (
            API + "vsock_port = 1\n",
            "vsock_port is out of scope: virtual machines are not supported",
            "service.api.vsock_port",
            3,
            14,
        ),
        (
            "[service.'a/b']\ncommand = 'x'\n",
            "invalid service name 'a/b'",
            "service.'a/b'",
            1,
            1,
        ),
        (
            "[service.logs]\ncommand = 'x'\n",
            "'logs' cannot name a service: its folder belongs to the engine",
            "service.logs",
            1,
            1,
        ),
        (API + "health = 'x'\n", "health 'x' must start with '/'", "service.api.health", 3, 10),
        (
            API + "health = '/a b'\n",
            "health '/a b' must not hold spaces",
            "service.api.health",
            3,
            10,
        ),
        (
            API + 'health = "/a\\r\\nX: y"\n',
            "control characters and line ends are not allowed here",
            "service.api.health",
            3,
            10,
        ),
        (
            API + 'args = ["a\\u0000b"]\n',
            "a NUL character cannot be passed on",
            "service.api.args[0]",
            3,
            9,
        ),
        (
            '[service.api]\ncommand = "a\\u0000b"\n',
            "a NUL character cannot be passed on",
            "service.api.command",
            2,
            11,
        ),
        (
            API + "env = { 'A=B' = 'x' }\n",
            "'A=B' cannot be the name of a variable",
            "service.api.env.'A=B'",
            3,
            9,
        ),
        (
            "[settings]\npass_env = ['PATH', '']\n",
            "'' cannot be the name of a variable",
            "settings.pass_env[1]",
            2,
            21,
        ),
        (
            "[service.api]\ncommand = 'sh -c \"x'\n",
            "command cannot be split: no closing quotation",
            "service.api.command",
            2,
            11,
        ),
        ("[service.api]\ncommand = ' '\n", "command is empty", "service.api.command", 2, 11),
        ("[service.api]\ncommand = \"''\"\n", "command is empty", "service.api.command", 2, 11),
        (
            "[service.api]\ncommand = ''\nargs = []\n",
            "command is empty",
            "service.api.command",
            2,
            11,
        ),
        (
            API + 'wake = "a\\nb"\n',
            "unknown variant `a\ufffdb`, expected one of `any`, `known`, `never`",
            "service.api.wake",
            3,
            8,
        ),
        (
            API + "wake = 'always'\n",
            "unknown variant `always`, expected one of `any`, `known`, `never`",
            "service.api.wake",
            3,
            8,
        ),
        (
            API + "max_instances = 1\n[instances]\napi = ['a', 'b']\n",
            "2 instances are declared, max_instances = 1",
            "service.api.max_instances",
            3,
            17,
        ),
        (
            API + "max_instances = 0\n",
            "invalid value: 0, expected 1 or more",
            "service.api.max_instances",
            3,
            17,
        ),
        (
            API + "stop_grace = -0.5\n",
            "invalid value: -0.5, expected 0 to 86400 seconds",
            "service.api.stop_grace",
            3,
            14,
        ),
        (
            API + "drain = nan\n",
            "invalid value: nan, expected 0 to 86400 seconds",
            "service.api.drain",
            3,
            9,
        ),
        (
            API + "[instances]\napi = ['../esc']\n",
            "invalid id '../esc'",
            "instances.api[0]",
            4,
            8,
        ),
        ('[settings]\ndata_dir = ""\n', "data_dir is empty", "settings.data_dir", 2, 12),
    ],
)
def test_refused(text: str, message: str, key: str, line: int, column: int) -> None:
    error = refused(text)
    assert (str(error), error.key, error.line, error.column) == (message, key, line, column)
    assert error.excerpt == text.splitlines()[line - 1]


@pytest.mark.parametrize("name", ["firecracker", "qemu", "quark", "litebox"])
def test_other_runtimes_are_refused_with_what_to_use(name: str) -> None:
    error = refused(f'{API}isolation = "{name}"\n')
    assert error.hint == 'use "process" or "namespace" or "sandbox"'


# --- in words ---


def test_an_error_in_the_peers_form() -> None:
    assert (
        describe_error(refused("[service.api]\ncommand = 3\n"))
        == f"""\
Failed to parse config file: {PATH}

Caused by:
    TOML parse error at line 2, column 11
      |
    2 | command = 3
      |           ^
    invalid type: integer `3`, expected a string
    in service.api.command"""
    )


def test_the_whole_value_is_marked_and_the_advice_shown() -> None:
    text = "\n" * 9 + API + 'isolation = "qemu" # vm\n'
    assert (
        describe_error(refused(text))
        == f"""\
Failed to parse config file: {PATH}

Caused by:
    TOML parse error at line 12, column 13
       |
    12 | isolation = "qemu" # vm
       |             ^^^^^^
    isolation = 'qemu' is out of scope: virtual machines are not supported
    in service.api.isolation
    use "process" or "namespace" or "sandbox\""""
    )


def test_an_error_without_a_place() -> None:
    error = SpecError("Is a directory", path=PATH, verb="read")
    assert (
        describe_error(error)
        == f"""\
Failed to read config file: {PATH}

Caused by:
    Is a directory"""
    )


def test_an_error_on_a_line_that_is_not_there() -> None:
    assert "|" not in describe_error(SpecError("x", path=PATH, line=3, column=1))


def test_a_long_line_is_cut_around_the_error() -> None:
    text = API + f"env = {{ A = '{'x' * 500}', B = 1 }}\n"
    shown = describe_error(refused(text)).splitlines()
    assert max(len(line) for line in shown) < 120
    marked = shown[6].index("^")
    assert shown[5][marked] == "1"


def test_a_file_cannot_write_to_the_terminal() -> None:
    error = refused(API + "health = '\u202e/x'\t# \u00a0\u200b\n")
    text = describe_error(error)
    assert all(char.isprintable() or char == "\n" for char in text)
