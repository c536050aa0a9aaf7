"""What a file is read as, and what it is warned about."""

import pytest

from engine.core.spec import (
    RESTART_FIELDS,
    ConsoleSpec,
    Isolation,
    Restart,
    RoutingSpec,
    ServiceSpec,
    Settings,
    TlsSpec,
    Wake,
)
from tests.configs import API, read, refused

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
metrics_max = "512M"
admin_group = "ops"
trusted_proxies = ["10.1.0.0/16", "::1"]
proxy_protocol = true

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
        metrics_max_bytes=512 * 2**20,
        admin_group="ops",
        trusted_proxies=("10.1.0.0/16", "::1/128"),
        proxy_protocol=True,
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
    assert len(config.warnings) == 1  # of dns_provider


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
            API + "[service.api.deployed]\nx = 1\n",
            ("line 3: unknown table service.api.deployed; did you mean deploy?",),
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
            API + "memory_mb = 1\nvcpus = 2\n",
            (
                "line 3: memory_mb has no effect: it is for virtual machines and images",
                "line 4: vcpus has no effect: it is for virtual machines and images",
            ),
        ),
        (
            "[settings]\nhealth_check_interval = 0\n",
            ("line 2: health_check_interval = 0 would never rest; 1 is used",),
        ),
        (
            '[settings.tls]\ndns_provider = "x"\n',
            ("line 2: dns_provider is not used: each host has its own certificate",),
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


@pytest.mark.parametrize("value", ['"1M"', '"lots"', "-1", "true", "1.5", "[]"])
def test_a_bound_of_the_figures_is_checked_with_its_place(value: str) -> None:
    error = refused(f"[settings]\nmetrics_max = {value}\n")
    assert (error.line, error.column, error.key) == (2, 15, "settings.metrics_max")
    assert str(error).startswith("invalid value ")
    assert 'expected "4G", a number of bytes (16M or more) or "max"' in str(error)


def test_the_figures_may_be_left_without_a_bound() -> None:
    assert read('[settings]\nmetrics_max = "max"\n').settings.metrics_max_bytes > 2**60


@pytest.mark.parametrize(
    ("value", "line"),
    [("redd", "did you mean red?"), ("#12345", "is no colour"), ("#12345g", "is no colour")],
)
def test_a_colour_that_is_none_is_refused_in_its_place(value: str, line: str) -> None:
    error = refused(f'[console]\ncolour = "{value}"\n')
    assert (error.line, error.column, error.key) == (2, 10, "console.colour")
    assert line in f"{error} {error.hint}"
    for good in ("red", "Purple", "#12AB9f", ""):
        assert read(f'[console]\ncolour = "{good}"\n').console.colour == good.lower()
