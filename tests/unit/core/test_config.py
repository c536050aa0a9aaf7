"""What a file is read as, what it is warned about, and what is refused where."""

import pytest

from engine.core.config import describe_error, parse_config
from engine.core.errors import SpecError
from engine.core.spec import (
    RESTART_FIELDS,
    Config,
    ConsoleSpec,
    Isolation,
    Restart,
    RoutingSpec,
    ServiceSpec,
    Settings,
    TlsSpec,
    Wake,
)

PATH = "/srv/app/tenement.toml"
COUNT = "expected a whole number from 0 to 9223372036854775807"
API = '[service.api]\ncommand = "./app"\n'


def read(text: str, **options: object) -> Config:
    return parse_config(text, path=PATH, **options)  # type: ignore[arg-type]


def refused(text: str, **options: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read(text, **options)
    assert caught.value.path == PATH
    return caught.value


# --- what is read ---


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "\ufeff"])
def test_an_empty_file_is_valid(text: str) -> None:
    config = read(text)
    assert config.settings == Settings(
        data_dir="/srv/app/tenement-data", tls=TlsSpec(cache_dir="/srv/app/tenement-data/acme")
    )
    assert (config.services, config.instances, config.warnings) == ({}, (), ())
    assert config.source == text


def test_defaults_of_a_service() -> None:
    assert read(API).services == {
        "api": ServiceSpec(name="api", command="./app", workdir="/srv/app")
    }


def test_every_key() -> None:
    config = read(
        """
[settings]
data_dir = "/var/lib/tenement/"
health_check_interval = 2
max_restarts = 5
restart_window = 60
backoff_base_ms = 100
backoff_max_ms = 5000
pass_env = ["PATH", "PROXY"]
public_metrics = true
admin_group = "ops"

[settings.tls]
enabled = false
acme_email = "a@example.com"
domain = "example.com"
cache_dir = "{data_dir}/certs"
staging = true
https_port = 8443
http_port = 8081
dns_provider = "x"

[service.api]
command = "python"
args = ["-m", "app"]
isolation = "process"
socket = "run/{name}-{id}.sock"
health = "/health?deep=1"
env = { A = "1", "B.C" = "two\\nlines" }
workdir = "sub/../web"
restart = "always"
idle_timeout = 300
startup_timeout = 3
request_timeout = 0
stop_grace = 1.5
drain = 0
memory_limit_mb = 512
cpu_shares = 100
storage_quota_mb = 10
storage_persist = false
max_instances = 3
wake = "known"
log_limit_mb = 8

[service.box]
command = "./box"
isolation = "sandbox"

[routing]
default = "api"
[routing.subdomain]
www = "api"
[routing.path]
"/box" = "box"

[instances]
box = ["b"]
api = ["alice", "bob"]

[console]
banner = "production"
colour = "red"
protect = true
"""
    )
    assert config.settings == Settings(
        data_dir="/var/lib/tenement",
        health_check_interval_seconds=2,
        max_restarts=5,
        restart_window_seconds=60,
        backoff_base_ms=100,
        backoff_max_ms=5000,
        pass_env=("PATH", "PROXY"),
        public_metrics=True,
        admin_group="ops",
        tls=TlsSpec(
            acme_email="a@example.com",
            domain="example.com",
            cache_dir="/var/lib/tenement/certs",
            staging=True,
            https_port=8443,
            http_port=8081,
            dns_provider="x",
        ),
    )
    assert config.services["api"] == ServiceSpec(
        name="api",
        command="python",
        args=("-m", "app"),
        isolation=Isolation.PROCESS,
        socket="/srv/app/run/{name}-{id}.sock",
        health="/health?deep=1",
        env={"A": "1", "B.C": "two\nlines"},
        workdir="/srv/app/web",
        restart=Restart.ALWAYS,
        idle_timeout_seconds=300,
        startup_timeout_seconds=3,
        request_timeout_seconds=0,
        stop_grace_seconds=1.5,
        drain_seconds=0.0,
        memory_limit_mb=512,
        cpu_shares=100,
        storage_quota_mb=10,
        storage_persist=False,
        max_instances=3,
        wake=Wake.KNOWN,
        log_limit_bytes=8 * 1024 * 1024,
    )
    assert config.services["box"].isolation is Isolation.SANDBOX
    assert config.routing == RoutingSpec(
        default="api", subdomain={"www": "api"}, path={"/box": "box"}
    )
    assert config.instances == (("box", "b"), ("api", "alice"), ("api", "bob"))
    assert config.console == ConsoleSpec(banner="production", colour="red", protect=True)
    assert config.warnings == ()


def test_a_data_dir_given_from_outside_comes_first() -> None:
    config = read('[settings]\ndata_dir = "here"\n', data_dir="/there")
    assert config.settings.data_dir == "/there"
    assert config.settings.tls.cache_dir == "/there/acme"


def test_line_ends_of_other_systems() -> None:
    config = read(API.replace("\n", "\r\n"))
    assert config.services["api"].command == "./app"
    error = refused(API.replace("\n", "\r\n") + 'health = "x"\r\n')
    assert (error.line, error.column, error.excerpt) == (3, 10, 'health = "x"')


def test_scripts_and_certificates_may_have_many_lines() -> None:
    config = read(
        '[service.api]\ncommand = "sh"\nargs = ["-c", """\nset -e\nexec ./app\n"""]\n'
        "env.CERT = '''-----BEGIN\nx\n'''\n"
    )
    assert config.services["api"].args == ("-c", "set -e\nexec ./app\n")
    assert config.services["api"].env == {"CERT": "-----BEGIN\nx\n"}


def test_more_declared_than_the_default_bound_raises_the_bound() -> None:
    ids = ", ".join(f'"t{n}"' for n in range(70))
    config = read(f"{API}[instances]\napi = [{ids}]\n")
    assert config.services["api"].max_instances == 70


def test_the_specification_names_its_restart_fields_rightly() -> None:
    assert set(ServiceSpec.__struct_fields__) >= RESTART_FIELDS


# --- warnings ---


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("a = 1\n", ("line 1: unknown key a",)),
        ("[consol]\n", ("line 1: unknown table consol; did you mean console?",)),
        (
            API + 'helth = "/"\n',
            ("line 3: unknown key service.api.helth; did you mean health?",),
        ),
        (
            API + "[service.api.deploy]\nx = 1\n",
            ("line 3: unknown table service.api.deploy",),
        ),
        (
            "[settings]\nmax_restart = 1\n",
            ("line 2: unknown key settings.max_restart; did you mean max_restarts?",),
        ),
        (
            "settings.tls.email = 1\n",
            ("line 1: unknown key settings.tls.email; did you mean acme_email?",),
        ),
        (
            API + 'restart = "Allways"\n',
            ("line 3: unknown restart policy 'Allways': on-failure is used; did you mean always?",),
        ),
        (
            API + 'restart = "?"\n',
            ("line 3: unknown restart policy '?': on-failure is used",),
        ),
        (
            API + 'rootfs = "/x"\nvcpus = 2\n',
            (
                "line 3: rootfs has no effect: it is for virtual machines and images",
                "line 4: vcpus has no effect: it is for virtual machines and images",
            ),
        ),
        (
            "[settings]\nhealth_check_interval = 0\n",
            ("line 2: health_check_interval = 0 would never rest; 1 is used",),
        ),
        (
            "[settings.tls]\nenabled = true\n",
            ("line 2: settings.tls is not served here: put a TLS proxy in front of the door",),
        ),
        (
            API + '[instances]\napi = ["a",\n "a"]\n',
            ("line 5: instances.api names a twice",),
        ),
        (
            '[routing]\ndefault = "web"\nsubdomain = { www = "web" }\n',
            (
                "line 2: routing.default names no service: 'web'",
                "line 3: routing.subdomain.www names no service: 'web'",
            ),
        ),
        (
            '[routing.path]\n"/a b" = "web"\n',
            ("line 2: routing.path.'/a b' names no service: 'web'",),
        ),
    ],
)
def test_warnings(text: str, warnings: tuple[str, ...]) -> None:
    assert read(text).warnings == warnings


def test_a_file_that_is_something_else_is_warned_about_a_hundred_times() -> None:
    config = read("".join(f"key{n} = 1\n" for n in range(30_000)))
    assert len(config.warnings) == 101
    assert config.warnings[-1] == "and 29900 more warnings"


def test_a_monster_key_is_cut_in_the_warning() -> None:
    (warning,) = read("x" * 500_000 + " = 1\n").warnings
    assert len(warning) < 100


def test_a_banner_may_hold_any_sign() -> None:
    text = "Fam\N{ZERO WIDTH JOINER}ily \N{NO-BREAK SPACE}日本"
    assert read(f"[console]\nbanner = '{text}'\n").console.banner == text


def test_an_interval_of_zero_is_a_second() -> None:
    text = "[settings]\nhealth_check_interval = 0\n"
    assert read(text).settings.health_check_interval_seconds == 1


def test_strict_refuses_unknown_keys() -> None:
    error = refused(API + 'helth = "/"\n', is_strict=True)
    assert str(error) == "unknown key service.api.helth"
    assert error.hint == "did you mean health?"
    assert (error.line, error.column, error.key) == (3, 1, "service.api.helth")


# --- refused ---


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
