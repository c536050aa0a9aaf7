"""From the text of a `tenement.toml` to a checked configuration, or to an error in its place.

No file is read here: that is `engine.daemon.config_file`.
"""

from __future__ import annotations

import posixpath
import re
import sys
from typing import TYPE_CHECKING

from engine.core.config_domains import Claims
from engine.core.config_door import (
    read_door_limits,
    read_proxy_protocol,
    read_trusted_proxies,
)
from engine.core.config_network import read_outbound
from engine.core.config_service import read_service, resolve
from engine.core.config_table import U32, Source, Table
from engine.core.config_tls import read_tls
from engine.core.config_user import read_user_range
from engine.core.limit_values import MAX, BadLimit, read_size
from engine.core.names import RESERVED_SERVICES, is_label
from engine.core.nearest import did_you_mean
from engine.core.spec import Config, ConsoleSpec, RoutingSpec, ServiceSpec, Settings
from engine.core.toml_text import dotted, load_toml

if TYPE_CHECKING:
    from engine.core.errors import SpecError

CONFIG_NAME = "tenement.toml"

DEFAULT_DATA_DIR = "./tenement-data"

LEAST_METRICS_BYTES = 16 * 2**20
"""Room for the figures of the host and one instance."""

_METRICS_MAX = '"4G", a number of bytes (16M or more) or "max"'

CONSOLE_COLOURS = (
    *("red", "orange", "yellow", "green", "blue"),
    *("purple", "magenta", "cyan", "grey", "gray"),
)

_HEX_COLOUR = re.compile(r"#[0-9a-f]{6}\Z")

_WINDOW = 100
"""So much of a long line is shown around the error."""


def parse_config(text: str, *, path: str, is_strict: bool = False, data_dir: str = "") -> Config:
    """Read a configuration.

    Args:
        text: The file's content.
        path: Absolute path of the file: relative paths in it are resolved against its folder.
        is_strict: Refuse unknown keys instead of warning.
        data_dir: Absolute path that is used instead of the file's `data_dir`.

    Raises:
        SpecError: The text is refused; with path, key, line and column.
    """
    plain = _plain(text)
    source = Source(plain, path, is_strict=is_strict)
    root = Table(source, load_toml(plain, path))
    folder = posixpath.dirname(path) or "/"
    settings = _read_settings(root.table("settings"), folder, data_dir)
    declared = root.table("instances")
    services = _read_services(root.table("service"), declared, folder)
    instances = _read_instances(declared, services)
    routing = _read_routing(root.table("routing"), services)
    console = _read_console(root.table("console"))
    root.finish()
    return Config(
        path=path,
        source=text,
        settings=settings,
        services=services,
        routing=routing,
        console=console,
        instances=instances,
        warnings=source.warnings,
    )


def source_of(config: Config) -> Source:
    """Give the text again, to say more about its keys than the text alone shows."""
    return Source(_plain(config.source), config.path, is_strict=False)


def _plain(text: str) -> str:
    # One BOM is passed over, as the peer does; tomllib would refuse it.
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def describe_error(error: SpecError) -> str:
    """Put a refused file into words, in the form the peer prints after `Error: `.

    The offending line is shown with its place marked; control characters in it are replaced, so
    that a file cannot write to a terminal.
    """
    head = f"Failed to {error.verb} config file: {_printable(error.path)}\n\nCaused by:\n"
    lines = []
    if error.line:
        lines.append(f"TOML parse error at line {error.line}, column {error.column}")
    if error.line and error.excerpt:
        margin = " " * len(str(error.line))
        shown, column = _window(error.excerpt, error.column)
        marks = "^" * max(1, min(error.width, len(shown) - column + 1))
        lines += [
            f"{margin} |",
            f"{error.line} | {shown}",
            f"{margin} | {' ' * (column - 1)}{marks}",
        ]
    lines += _printable(str(error)).split("\n")
    if error.key:
        lines.append(f"in {_printable(error.key)}")
    if error.hint:
        lines.append(_printable(error.hint))
    return head + "\n".join(f"    {line}" for line in lines)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def _window(line: str, column: int) -> tuple[str, int]:
    """Cut a long line around a column; give the column's place in what is left."""
    line = _printable(line.replace("\t", " "))
    first = max(0, column - 1 - _WINDOW // 2) if len(line) > _WINDOW else 0
    return line[first : first + _WINDOW], column - first


def _read_settings(table: Table, folder: str, data_dir: str) -> Settings:
    named = table.text("data_dir", DEFAULT_DATA_DIR)
    if named.startswith("~"):
        message = f"data_dir {named!r} starts with '~'. Tilde is not expanded"
        table.fail("data_dir", message, hint="write the absolute path")
    if not named:
        table.fail("data_dir", "data_dir is empty")
    data_dir = data_dir or resolve(folder, named)
    interval = table.count("health_check_interval", 10)
    if interval == 0:
        table.warn("health_check_interval", "health_check_interval = 0 would never rest; 1 is used")
    default = Settings(data_dir=data_dir)
    settings = Settings(
        data_dir=data_dir,
        health_check_interval_seconds=float(max(1, interval)),
        max_restarts=table.count("max_restarts", 3, U32),
        restart_window_seconds=table.count("restart_window", 300),
        backoff_base_ms=table.count("backoff_base_ms", 1000),
        backoff_max_ms=table.count("backoff_max_ms", 60000),
        pass_env=_read_names(table, "pass_env", default.pass_env),
        public_metrics=table.flag("public_metrics", default=False),
        metrics_max_bytes=_read_metrics_max(table, default.metrics_max_bytes),
        require_limits=_read_require_limits(table),
        admin_group=table.line("admin_group"),
        user_range=read_user_range(table, default.user_range),
        trusted_proxies=read_trusted_proxies(table),
        proxy_protocol=read_proxy_protocol(table),
        door=read_door_limits(table.table("door")),
        outbound=read_outbound(table),
        tls=read_tls(table.table("tls"), folder, data_dir),
    )
    table.finish()
    return settings


def _read_require_limits(table: Table) -> bool | None:
    said = table.flag("require_limits", default=False)
    return said if "require_limits" in table else None


def _read_metrics_max(table: Table, default: int) -> int:
    if "metrics_max" not in table:
        return default
    try:
        size = read_size(table.raw("metrics_max"), _METRICS_MAX, minimum=LEAST_METRICS_BYTES)
    except BadLimit as error:
        table.fail("metrics_max", str(error))
    return sys.maxsize if size == MAX else size


def _read_names(table: Table, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    names = table.texts(key)
    if names is None:
        return default
    for index, name in enumerate(names):
        if not name or "=" in name:
            message = f"{name!r} cannot be the name of a variable"
            table.source.fail(message, (*table.path, key, index))
    return names


def _read_services(table: Table, declared: Table, folder: str) -> dict[str, ServiceSpec]:
    services = {}
    claims = Claims(table.source)
    for name in table.names():
        path = (*table.path, name)
        if not is_label(name):
            message = f"invalid service name {name!r}"
            hint = "1 to 63 letters, digits, - and _, with a letter or digit at both ends"
            table.source.fail(message, path, is_value=False, hint=hint)
        if name in RESERVED_SERVICES:
            message = f"{name!r} cannot name a service: its folder belongs to the engine"
            table.source.fail(message, path, is_value=False)
        ids = declared.texts(name) if name in declared else None
        services[name] = read_service(
            table.table(name), name, folder, declared=len(set(ids or ())), claims=claims
        )
    return services


def _read_instances(table: Table, services: dict[str, ServiceSpec]) -> tuple[tuple[str, str], ...]:
    instances: dict[tuple[str, str], None] = {}
    for service in table.names():
        path = (*table.path, service)
        if service not in services:
            message = (
                f"Instance references undefined service {service!r}. "
                f"Define it in [service.{service}] first."
            )
            table.source.fail(message, path, is_value=False)
        for index, ident in enumerate(table.texts(service) or ()):
            if not is_label(ident):
                message = f"invalid id {ident!r}"
                hint = "1 to 63 letters, digits, - and _, with a letter or digit at both ends"
                table.source.fail(message, (*path, index), hint=hint)
            if (service, ident) in instances:
                message = f"{dotted(path)} names {ident} twice"
                table.source.warn(message, (*path, index), is_value=True)
            instances[service, ident] = None
    return tuple(instances)


def _read_routing(table: Table, services: dict[str, ServiceSpec]) -> RoutingSpec:
    routing = RoutingSpec(
        default=table.line("default"),
        subdomain=table.text_table("subdomain"),
        path=table.text_table("path"),
    )
    named: list[tuple[tuple[str, ...], str]] = [(("default",), routing.default)]
    named += [(("subdomain", key), service) for key, service in routing.subdomain.items()]
    named += [(("path", key), service) for key, service in routing.path.items()]
    for where, service in named:
        path = (*table.path, *where)
        if service and service.partition(":")[0] not in services:
            table.source.warn(f"{dotted(path)} names no service: {service!r}", path)
        if where[0] == "path" and not where[1].startswith("/"):
            table.source.warn(f"{dotted(path)} matches nothing: paths begin with /", path)
    table.finish()
    return routing


def _read_colour(table: Table) -> str:
    colour = table.line("colour").lower()
    if colour and colour not in CONSOLE_COLOURS and not _HEX_COLOUR.match(colour):
        near = did_you_mean(colour, CONSOLE_COLOURS)
        names = ", ".join(CONSOLE_COLOURS)
        table.fail("colour", f'"{colour}" is no colour: #rrggbb, or one of {names}', hint=near)
    return colour


def _read_console(table: Table) -> ConsoleSpec:
    console = ConsoleSpec(
        banner=table.line("banner"),
        colour=_read_colour(table),
        protect=table.flag("protect", default=False),
    )
    table.finish()
    return console
