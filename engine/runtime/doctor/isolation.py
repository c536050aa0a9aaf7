"""What instances are kept apart with: privileges, namespaces, system call filters, gVisor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.config_user import AUTO
from engine.core.errors import FeatureMissing
from engine.core.hardening import Hardening
from engine.core.spec import Isolation, Settings
from engine.kernel import userns
from engine.kernel.features import setting
from engine.kernel.gvisor import why_no_sandbox
from engine.kernel.seccomp import why_missing
from engine.kernel.status import read_status
from engine.runtime import platforms
from engine.runtime.doctor.scope import Said, Scope, no, partly, unless, yes
from engine.runtime.host import why_no_namespaces
from engine.runtime.users import chosen_user, why_not_range

if TYPE_CHECKING:
    from collections.abc import Callable


def privileges(_: Scope) -> Said:
    """Who we are."""
    uid = os.geteuid()
    if uid != 0:
        why = "as an ordinary user: instances run as this user, doors too; no users of their own"
        return partly(why, "run ten serve as root for separate users", detail=f"uid {uid}")
    held = read_status().capabilities.get("effective", ())
    if "sys_admin" not in held:
        why = "root without sys_admin, as in a container: namespaces need user namespaces"
        return partly(why, "give the container CAP_SYS_ADMIN", detail=f"{len(held)} capabilities")
    return yes("root")


def user_namespaces(scope: Scope) -> Said:
    """Namespaces for who has no privileges; root does without."""
    needed = () if scope.is_root else scope.isolated(Isolation.NAMESPACE)
    why, fix = userns.why_no_user_namespace()
    if not why and scope.tries.get("user"):
        why = os.strerror(scope.tries["user"])
        fix = "let unshare(2) through: a container's filter or a limit forbids it"
    detail = f"at most {setting('user.max_user_namespaces') or 'as many as there is memory'}"
    return unless(why, fix, detail=detail, needed_by=needed)


def namespace_of(kind: str) -> Callable[[Scope], Said]:
    """Make the check of one kind of namespace."""

    def check(scope: Scope) -> Said:
        number = scope.tries.get(kind)
        needed = scope.isolated(Isolation.NAMESPACE)
        if number is None:
            return no("it could not be tried", needed_by=needed)
        if number == 0:
            return yes("tried")
        name = "mnt" if kind == "mount" else kind
        fix = f"sysctl user.max_{name}_namespaces; in a container let unshare(2) through"
        return no(os.strerror(number), fix, needed_by=needed)

    return check


def launch(scope: Scope) -> Said:
    """The whole way of an instance in isolation `namespace`, carried out."""
    needed = scope.isolated(Isolation.NAMESPACE)
    if scope.launch.is_good:
        return yes(f"carried out in {scope.launch.seconds * 1000:.1f} ms")
    why, fix = why_no_namespaces()
    why = why or f"{scope.launch.step}: {scope.launch.reason}"
    return no(why, fix or scope.launch.fix, needed_by=needed)


def seccomp(_: Scope) -> Said:
    """Filters of system calls in the kernel."""
    if read_status().seccomp < 0:
        return no("this kernel has no seccomp", "run a kernel with CONFIG_SECCOMP_FILTER")
    actions = setting("kernel.seccomp.actions_avail")
    if actions and "errno" not in actions.split():
        return partly("a filter cannot answer with an error number", detail=actions)
    return yes("filter")


def libseccomp(scope: Scope) -> Said:
    """The library that makes such filters."""
    why, fix = why_missing()
    needed = scope.asking("hardening", lambda spec: spec.hardening.level is Hardening.STRICT)
    return unless(why, fix, needed_by=needed)


def users(scope: Scope) -> Said:
    """Users of their own for instances, `user = "auto"`."""
    needed = scope.asking("user", lambda spec: chosen_user(spec) == AUTO)
    if os.geteuid() != 0:
        why = "only root can run instances as other users"
        return no(why, "run ten serve as root", needed_by=needed)
    first, last = (scope.config.settings if scope.config else Settings(data_dir="/")).user_range
    why, detail = why_not_range(first, last), f"uids {first} to {last}"
    return no(why, "choose another settings.user_range", needed_by=needed) if why else yes(detail)


def runsc(scope: Scope) -> Said:
    """GVisor, for isolation `sandbox`: run once on this host, then remembered."""
    needed = scope.isolated(Isolation.SANDBOX)
    reason, fix = why_no_sandbox()
    if reason:
        return no(reason, fix, needed_by=needed)
    try:
        found = platforms.examine(scope.data_dir)
    except FeatureMissing as error:
        return no(str(error), error.hint, needed_by=needed)
    refused = ", ".join(found.refused)
    beside = f" ({refused}: not here)" if refused else ""
    return yes(f"runsc {found.version}, platform {found.platform}{beside}")
