"""The door, and the programs of ours."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import socket
import sys

from engine.kernel import userns
from engine.kernel.features import setting
from engine.runtime import caddy
from engine.runtime.doctor.scope import Said, Scope, no, partly, yes
from engine.runtime.rundir import DOOR_UID

_ASKED = ("the door's port",)


def port(scope: Scope) -> Said:
    """The port tenants' traffic comes in by."""
    detail = str(scope.port)
    if scope.is_engine:
        return yes(f"{detail}, listening")
    first = int(setting("net.ipv4.ip_unprivileged_port_start") or 1024)
    is_let = userns.has_capability("net_bind_service")
    if scope.port < first and not is_let:
        fix = f"sysctl -w net.ipv4.ip_unprivileged_port_start={scope.port}, or another --port"
        why = f"ports below {first} need root or the capability net_bind_service"
        return no(why, fix, detail=detail, needed_by=_ASKED)
    return _bound(scope.port)


def _bound(number: int) -> Said:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", number))  # noqa: S104 - where the door will listen
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "something listens there: this engine, or another program"
                return partly(why, f"ss -ltnp sport = :{number} tells what", detail=str(number))
            return no(error.strerror or str(error), detail=str(number), needed_by=_ASKED)
    return yes(f"{number} is free")


def door_user(_: Scope) -> Said:
    """The user the doors run as."""
    if os.geteuid() != 0:
        return partly("doors run as the same user as the engine", "run ten serve as root")
    try:
        name = pwd.getpwuid(DOOR_UID).pw_name
    except KeyError:
        return yes(f"uid {DOOR_UID}, nobody else's")
    why = f"uid {DOOR_UID} is {name}: who it is can signal the doors and read their memory"
    return partly(why, "name another with --door-uid", detail=f"uid {DOOR_UID}")


def python(_: Scope) -> Said:
    """The interpreter."""
    return yes(f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}")


def service_manager(_: Scope) -> Said:
    """Who starts the engine again after a reboot."""
    if os.path.isdir("/run/systemd/system"):
        return yes("systemd")
    why = "systemd does not run here: something else has to start ten serve after a reboot"
    return no(why, "have the container's or the host's own init start it")


def tls(scope: Scope) -> Said:
    """HTTPS in front of the doors."""
    is_needed = scope.config is not None and scope.config.settings.tls.enabled
    reason, fix = caddy.why_missing()
    if reason:
        return no(reason, fix, needed_by=("settings.tls.enabled",) if is_needed else ())
    path = caddy.find()
    return yes(f"{path}, {caddy.version(path)}")


def ssh(_: Scope) -> Said:
    """The way to engines on other hosts."""
    path = shutil.which("ssh")
    return yes(path) if path else no("ssh is not installed", "apt-get install openssh-client")
