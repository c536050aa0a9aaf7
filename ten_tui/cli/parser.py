"""The command line: commands, options, and what their words may be."""

from __future__ import annotations

import argparse

from engine.core.names import domain_name
from ten_tui.version import program_version

MAX_WEIGHT = 100
MAX_PORT = 65535
_ORDERS = ("name", "state", "cpu", "memory", "req/s", "p95", "err/s", "log/min", "up", "restarts")


def _named(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty: name a folder, or leave it out")
    return text


class _Version(argparse.Action):
    """Prints the version; looked up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        print(f"ten {program_version()}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Build the parser. `command` of the result is None where none was given."""
    common = _globals()
    parser = argparse.ArgumentParser(
        prog="ten",
        description="Runs many single-tenant processes on one Linux server, and shows them.",
        epilog="Without a command: the console of the nearest tenement.toml's engine.",
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument(
        "-V", "--version", action=_Version, nargs=0, help="show the version and exit"
    )
    parser.add_argument(
        "--plain", action="store_true", help="print what the console shows as lines of text"
    )
    parser.add_argument(
        "--follow", action="store_true", help="with --plain: go on with what happens"
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        type=_named,
        help="show what `ten bundle` saved; no engine needed",
    )
    commands = _Commands(parser, common)
    _add_engine(commands)
    _add_instances(commands)
    _add_logs(commands)
    _add_metrics(commands)
    _add_bundle(commands)
    _add_versions(commands)
    _add_files(commands)
    return parser


def _globals() -> argparse.ArgumentParser:
    # Options of a subcommand must not set what the same option before it has set.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "--server", metavar="URL", help="engine to ask over TCP [env: TENEMENT_SERVER]"
    )
    common.add_argument(
        "--host",
        metavar="USER@HOST",
        action="append",
        type=_named,
        help="engine of another host, by ssh; USER@HOST:FOLDER names where its tenement.toml is;"
        " given more than once, the console has a tab for each",
    )
    common.add_argument("--token", metavar="TOKEN", help="API token [env: TENEMENT_TOKEN]")
    common.add_argument(
        "--data-dir",
        metavar="DIR",
        type=_named,
        help="data directory of the engine [env: TENEMENT_DATA_DIR]",
    )
    return common


class _Commands:
    """Adds commands that all take the global options."""

    def __init__(self, parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
        self._common = common
        self._commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def add(self, name: str, text: str, *, aliases: tuple[str, ...] = ()) -> _Command:
        parser = self._commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            aliases=list(aliases),
            parents=[self._common],
            allow_abbrev=False,
        )
        parser.set_defaults(command=name)
        return _Command(parser)


class _Command:
    """One command; its methods add what it takes."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def instance(self, *, is_optional: bool = False) -> _Command:
        self._parser.add_argument(
            "instance",
            metavar="SERVICE:ID",
            nargs="?" if is_optional else None,
            help="instance, service:id",
        )
        return self

    def word(self, name: str, text: str) -> _Command:
        self._parser.add_argument(name, help=text)
        return self

    def option(self, *names: str, text: str, **how: object) -> _Command:
        self._parser.add_argument(*names, help=text, **how)  # type: ignore[arg-type]
        return self

    def flag(self, *names: str, text: str) -> _Command:
        self._parser.add_argument(*names, action="store_true", help=text)
        return self


def _add_engine(commands: _Commands) -> None:
    serve = commands.add("serve", "run the engine in the foreground")
    up = commands.add("up", "start the engine in the background and attach the console")
    for command in (serve, up):
        command.option("-p", "--port", type=_port, default=8080, text="port of the door [8080]")
        command.option(
            "-d", "--domain", type=_domain, default="localhost", text="domain served [localhost]"
        )
        command.option("--bind", default="0.0.0.0", text="address of the door [0.0.0.0]")  # noqa: S104 - the peer's
        command.option("--doors", type=_count, default=0, text="door processes [one a core]")
        command.option("--config", default="", text="configuration file [the nearest]")
    serve.flag("--tls", text="serve HTTPS, by a Caddy in front of the door")
    serve.option("--email", default="", metavar="E", text="with --tls: the CA writes there")
    serve.flag("--staging", text="with --tls: ask the CA for certificates for tests")
    up.flag("--detach", text="do not attach the console")
    commands.add("down", "stop the engine and its instances")
    top = commands.add("top", "the instance table alone, drawn anew each second")
    top.option("-n", "--number", type=_count, default=0, text="so many tables [until Ctrl-C]")
    top.flag("--once", text="one table")
    top.option("--sort", default="name", choices=_ORDERS, text="name, state, cpu, memory, ...")
    top.option("--filter", metavar="WORDS", default="", text="api state:failed -word")
    commands.add("consoles", "list who is attached to the engine")
    console = commands.add("console", "attach the console")
    console.flag("--plain", text="print what it shows as lines of text")
    console.flag("--follow", text="with --plain: go on with what happens")
    console.option("--logs", metavar="SERVICE:ID", default="", text="open this log and follow it")
    web = commands.add("web", "show the console in a browser, at a secret address on loopback")
    web.option("-p", "--port", type=_port, default=0, text="port of the page [any that is free]")
    web.option("--logs", metavar="SERVICE:ID", default="", text="open this log and follow it")


def _add_instances(commands: _Commands) -> None:
    ps = commands.add("ps", "list what runs; on a terminal also what is down", aliases=("ls",))
    ps.flag("-a", "--all", text="list what is down into a pipe too")
    commands.add("spawn", "start an instance").instance()
    commands.add("stop", "drain and stop an instance").instance()
    commands.add("restart", "stop an instance if it runs, and start it").instance()
    commands.add("undo", "take back the last stop or weight of an instance").instance()
    commands.add("health", "probe an instance now").instance()
    limits = commands.add("set", "show an instance's limits, or set some for it alone").instance()
    limits.option(
        "limits",
        nargs="*",
        metavar="KEY=VALUE",
        text="memory_max=512M cpu_max=50% pids_max=100 ...; KEY= goes back to the configuration",
    )
    limits.flag("--reset", text="go back to the configuration with all")
    inspect = commands.add("inspect", "show an instance's plan and what its process really has")
    inspect.instance().flag("--json", text="for programs")
    weight = commands.add("weight", "set an instance's share of its service's traffic")
    weight.instance().option("weight", type=_weight, metavar="W", text="0 to 100; 0 is nothing")


def _add_logs(commands: _Commands) -> None:
    logs = commands.add("logs", "show what instances wrote").instance(is_optional=True)
    logs.option(
        "--level",
        metavar="STREAM",
        default="",
        choices=("stdout", "stderr", "access"),
        text="stdout, stderr or access (one line a request, where access_log is on)",
    )
    logs.flag("--access", text="the access log alone, as --level access")
    logs.option("--search", metavar="TEXT", default="", text="only lines with this text")
    logs.option("--limit", type=_count, default=100, text="newest lines shown [100]")
    logs.flag("-f", "--follow", text="then show lines as they come")
    logs.flag("--raw", text="let escape sequences of programs through")


def _add_metrics(commands: _Commands) -> None:
    metrics = commands.add("metrics", "plot the kept past of a figure; without one, list them")
    metrics.word("instance", "instance, service:id; a service, its instances together; or host")
    metrics.option("metric", nargs="?", default="", metavar="METRIC", text="cpu, memory, ...")
    time = "6h, 15m, 90d (back from now), a date, or seconds since 1970"
    metrics.option("--since", metavar="TIME", default="1h", text=f"{time} [1h]")
    metrics.option("--until", metavar="TIME", default="", text="the same [now]")
    metrics.option("--step", type=_count, default=0, metavar="SECONDS", text="[as fine as kept]")
    metrics.flag("--purge", text="remove all that is kept of it; what runs begins anew")
    metrics.flag("--csv", text="for a spreadsheet")
    metrics.flag("--json", text="for programs")


def _add_bundle(commands: _Commands) -> None:
    bundle = commands.add("bundle", "save what happened as one file, for `ten --replay FILE`")
    bundle.option("services", nargs="*", metavar="SERVICE", text="whose instances [all]")
    bundle.option(
        "--since", metavar="TIME", default="1h", text="6h (back from now), a date, ... [1h]"
    )
    bundle.option("-o", "--output", metavar="FILE", required=True, text="write it there")


_INLINE = "draw steps, gate and countdown in one place"


def _add_versions(commands: _Commands) -> None:
    deploy = commands.add("deploy", "start a version and give it traffic once it is healthy")
    deploy.option("instance", metavar="SERVICE:VERSION", text="service:version")
    deploy.option("-w", "--weight", type=_weight, text="its weight then [100]")
    deploy.option("--timeout", type=_count, default=30, text="seconds to become healthy [30]")
    _add_rollout_options(deploy)
    rollback = commands.add("rollback", "go back to the version before the last rollout")
    rollback.word("service", "service").flag("--detach", text="do not wait for it")
    rollback.flag("--inline", text=_INLINE)
    rollout = commands.add("rollout", "show a service's rollout, or steer it")
    rollout.option(
        "action",
        choices=("status", "pause", "resume", "promote", "abort", "undo", "diff"),
        metavar="ACTION",
        text="status, diff (between the versions), pause, resume, promote (leave out the pauses"
        " or the window), abort, or undo (of an abort or a way back)",
    )
    rollout.word("service", "service").flag("--json", text="for programs")
    route = commands.add("route", "swap the traffic of two versions").word("service", "service")
    route.option("--from", dest="source", metavar="A", required=True, text="gets nothing")
    route.option("--to", dest="target", metavar="B", required=True, text="gets everything")


def _add_rollout_options(deploy: _Command) -> None:
    said = "[as service.NAME.deploy says]"
    words = "blue-green, rolling or canary: traffic goes over as it is healthy, and back if not"
    deploy.option("--strategy", metavar="STRATEGY", default="", text=words)
    deploy.option("--steps", metavar="5,25,50,100", default="", text=f"percent of a canary {said}")
    deploy.option("--pause", metavar="30s", default="", text=f"at each step {said}")
    deploy.option(
        "--max-errors", metavar="1%", default="", text=f"more failed requests than before {said}"
    )
    deploy.option("--max-p95", metavar="1.5x", default="", text=f"times the p95 before {said}")
    deploy.option("--min-requests", metavar="N", default="", text=f"to judge a step by {said}")
    deploy.option("--window", metavar="10m", default="", text=f"to go back at once {said}")
    deploy.flag("--detach", text="do not wait for the end of the rollout")
    deploy.flag("--inline", text=_INLINE)


def _add_files(commands: _Commands) -> None:
    config = commands.add("config", "check the configuration and show it")
    config.option("--config", default="", text="configuration file [the nearest]")
    config.flag("--strict", text="unknown keys are errors")
    doctor = commands.add("doctor", "show what this host can and cannot do; 1 if it lacks a need")
    doctor.option("--config", default="", text="configuration file [the nearest]")
    doctor.option("-p", "--port", type=_port, default=8080, text="port of the door [8080]")
    doctor.flag("--json", text="for programs")
    token = commands.add("token-gen", "make an API token; works without an engine")
    token.option("--tenant", metavar="T", default="", text="reaches instances with this id only")
    token.option("--description", metavar="D", default="", text="what it is for")
    token.flag("--read-only", text="may look and change nothing")
    caddy = commands.add("caddy", "print a Caddyfile, for a Caddy that you run")
    caddy.option("-d", "--domain", required=True, text="domain served")
    caddy.option("-p", "--port", type=_port, default=8080, text="port of the door [8080]")
    caddy.option("-o", "--output", metavar="FILE", default="", text="write it there")
    caddy.option("--dns-provider", metavar="X", default="", text="for wildcard certificates")
    for name in ("--install", "--systemd"):
        caddy.option(name, action="store_true", text=argparse.SUPPRESS)
    install = commands.add("install", "have systemd run the engine, now and at boot")
    install.option("-d", "--domain", type=_domain, required=True, text="domain served")
    install.option("-p", "--port", type=_port, default=8080, text="port of the door [8080]")
    install.option("-c", "--config", default="", text="configuration file [the nearest]")
    install.flag("--dry-run", text="print what would be done")
    install.flag("--caddy", text="serve HTTPS, as `ten serve --tls`")
    install.option("--dns-provider", metavar="X", default="", text=argparse.SUPPRESS)
    commands.add("uninstall", "stop that service and remove it; data and configuration stay")
    init = commands.add("init", "write a tenement.toml here")
    init.option("--name", default="", text="service [the folder's name]")
    init.option("--command", dest="program", default="", text="what it runs [guessed]")
    commands.add("bridge", "the engine's socket on standard input and output").option(
        "folder", nargs="?", default="", metavar="FOLDER", text="where its tenement.toml is [here]"
    )
    commands.add("help", "show this list, or a command's options").option(
        "topic", nargs="?", default="", metavar="COMMAND", text="command"
    )


def _number(text: str, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        message = f"invalid number '{text}'"
        raise argparse.ArgumentTypeError(message) from None
    if not 0 <= value <= most:
        message = f"{value} is not in 0..={most}"
        raise argparse.ArgumentTypeError(message)
    return value


def _weight(text: str) -> int:
    return _number(text, MAX_WEIGHT)


def _port(text: str) -> int:
    return _number(text, MAX_PORT)


def _domain(text: str) -> str:
    try:
        return domain_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    return _number(text, 2**32 - 1)
