"""Makes what an instance needs around it, and has the keeper start it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing, LaunchFailed, TenError
from engine.core.keeperwire import Blob
from engine.core.names import is_label
from engine.core.network import Network, Way
from engine.core.reload import spec_digest
from engine.core.spec import Isolation
from engine.core.wire import EventKind, Why
from engine.daemon.clock import wall
from engine.daemon.packets import close_all
from engine.daemon.plans import Plans
from engine.daemon.process import LiveProcess, drop, end_all
from engine.daemon.quotas import keep_quota, lift_quota
from engine.kernel.cgroup import Cgroup, CgroupTree
from engine.kernel.ownership import give_folder
from engine.kernel.trees import remove_tree
from engine.runtime import platforms
from engine.runtime.plan import build_plan
from engine.runtime.sight import shared_places
from engine.runtime.steps import EnterRoot
from engine.runtime.users import account_of, find_closed, how_to_open

if TYPE_CHECKING:
    from pathlib import Path

    from engine.core.keeperwire import Reply
    from engine.core.spec import ServiceSpec
    from engine.daemon.accounts import Accounts
    from engine.daemon.feeds import Feeds
    from engine.daemon.instance import Instance
    from engine.daemon.journal import Journal
    from engine.daemon.keeper_link import KeeperLink
    from engine.daemon.limiter import Limiter
    from engine.daemon.ports import Ports
    from engine.daemon.registry import Registry
    from engine.daemon.ways import Ways
    from engine.runtime.plan import Plan
    from engine.runtime.sandbox import Gvisor
    from engine.runtime.users import Account

log = logging.getLogger(__name__)


class Launcher:
    """Launches instances; what fails leaves nothing behind.

    Attributes:
        plans: Of the launches.
        ways: Out of instances that have one.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        keeper: KeeperLink,
        feeds: Feeds,
        journal: Journal,
        ports: Ports,
        limiter: Limiter,
        tree: CgroupTree | None,
        group: str,
        data_dir: Path,
        accounts: Accounts,
        ways: Ways,
    ) -> None:
        """Take what launches need; `tree` is None where no v2 tree is writable."""
        self._accounts = accounts
        self.ways = ways
        self._registry = registry
        self._keeper = keeper
        self._feeds = feeds
        self._journal = journal
        self._ports = ports
        self._limiter = limiter
        self._tree = tree
        self._group = group
        self._data_dir = data_dir
        self._promised: set[int] = set()
        self.plans = Plans(data_dir)

    async def launch(self, instance: Instance) -> LiveProcess:
        """Start the program of an instance.

        Raises:
            TenError: The configuration, the host or a step of the launch is in the way.
            OSError: A folder or cgroup cannot be made.
        """
        self._registry.spec_of(instance.name)
        port = self._choose_port(instance)
        cgroup: Cgroup | None = None
        way: Way | None = None
        netns = -1
        try:
            account = account_of(
                instance.spec,
                instance.id,
                home=str(self._folder(instance)),
                uid_of=self._accounts.uid_of,
            )
            await self._make_folder(instance, account)
            cgroup = self._make_cgroup(instance)
            self._limiter.launch(instance, cgroup)
            if instance.spec.network is Network.OUTBOUND:
                way, netns = await self.ways.open()
            return await self._spawn(instance, port, cgroup, account, way)
        except BaseException:
            if cgroup is not None:
                await end_all(cgroup)
                drop(cgroup)
            raise
        finally:
            self._promised.discard(port)
            if netns >= 0:
                os.close(netns)  # the instance is in it, or it goes

    def _choose_port(self, instance: Instance) -> int:
        """Find a port; in a network of its own an instance has them all to itself."""
        if instance.spec.network.is_own:
            return instance.spec.port
        port = self._ports.take(self._registry.ports() | self._promised)
        self._promised.add(port)
        return port

    async def _spawn(
        self,
        instance: Instance,
        port: int,
        cgroup: Cgroup | None,
        account: Account | None,
        way: Way | None,
    ) -> LiveProcess:
        spec = instance.spec
        path = "" if cgroup is None else cgroup.path
        gvisor: Gvisor | None = None
        if spec.isolation is Isolation.SANDBOX:
            gvisor = await asyncio.to_thread(platforms.choose, str(self._data_dir))
        plan = self._plan(instance, port, path, account, gvisor, way)
        self._check_way(plan, str(self._folder(instance)), account)
        self.plans.keep(instance.name, instance.generation, plan)
        blob = Blob(
            port=port,
            spec_digest=spec_digest(spec),
            started_at=wall(),
            generation=instance.generation,
            version=instance.version,
            isolation=spec.isolation.value,
            network=spec.network.value,
        )
        reply, fds = await self._keeper.spawn(instance.name, plan.to_wire(), path, blob)
        if not reply.ok:
            close_all(fds)
            raise LaunchFailed(
                _failure(reply),
                step=reply.step,
                errno=reply.errno,
                path=reply.path,
                hint=_advice(plan, reply, account),
            )
        if len(fds) != 3:
            close_all(fds)
            raise LaunchFailed(
                "the engine has no descriptors left for it",
                step="receive pidfd and output",
                errno=errno.EMFILE,
                path="",
                hint="raise the limit of open files: ulimit -n",
            )
        self._feeds.attach(instance.name, (fds[1], fds[2]))
        return LiveProcess((reply.pid, reply.main_pid), fds[0], blob, cgroup, reply.start_ticks)

    def _plan(
        self,
        instance: Instance,
        port: int,
        cgroup: str,
        account: Account | None,
        gvisor: Gvisor | None,
        way: Way | None = None,
    ) -> Plan:
        return build_plan(
            instance.spec,
            instance.id,
            port=port,
            data_dir=str(self._data_dir),
            cgroup=cgroup,
            environ=os.environ,
            pass_env=self._registry.config.settings.pass_env,
            secret=[path for path in (self._registry.config.path,) if path],
            written=shared_places(self._registry.config.services.values()),
            account=account,
            way=way,
            gvisor=gvisor,
        )

    def plan_again(self, instance: Instance) -> Plan:
        """Plan a launch as it would be now, or was where that is not known; changes nothing.

        Raises:
            TenError: The configuration or the host is in the way.
        """
        process, cgroup = instance.process, ""
        if process is not None and process.cgroup is not None:
            cgroup = process.cgroup.path
        elif process is None and self._tree is not None:
            cgroup = f"{self._tree.path}/{self._group}/{instance.name}"
        account = account_of(
            instance.spec,
            instance.id,
            home=str(self._folder(instance)),
            uid_of=self._accounts.known_uid,
        )
        gvisor = platforms.recall(str(self._data_dir))
        is_out = instance.spec.network is Network.OUTBOUND
        way = Way("(made for the launch)") if is_out else None
        return self._plan(instance, instance.port, cgroup, account, gvisor, way)

    def _check_way(self, plan: Plan, folder: str, account: Account | None) -> None:
        """Refuse what would start and then not reach its own folder."""
        closed = find_closed(folder, account, plan.steps) if account else ""
        if account and closed and not any(isinstance(each, EnterRoot) for each in plan.steps):
            message = f"its own folder {folder} is out of its reach"
            raise FeatureMissing(message, hint=how_to_open(closed, account))

    def find_cgroup(self, path: str) -> Cgroup | None:
        """Take up the cgroup of a process found again; None where it has none."""
        return Cgroup(path) if path else None

    def close(self) -> None:
        """Remove the cgroup that held those of the instances."""
        if self._tree is not None:
            drop(Cgroup(f"{self._tree.path}/{self._group}"))

    async def remove_data(self, instance: Instance) -> None:
        """Remove the data of an instance that is not to keep it, in a worker thread."""
        path = self._folder(instance)
        try:
            # The number of its project lives on in the file system when the folder does not.
            await asyncio.to_thread(lift_quota, str(path))
            # Neither follows a link: a link in the tenant's place is not the tenant's.
            await asyncio.to_thread(remove_tree, str(path))
        except FileNotFoundError:
            return
        except OSError as error:
            self._warn(instance, f"its data cannot be removed: {error}")

    def _warn(self, instance: Instance, text: str) -> None:
        self._journal.add(
            EventKind.STATE,
            f"{instance.name}: {text}",
            level="warning",
            instance=instance.name,
        )

    def _folder(self, instance: Instance) -> Path:
        if not (is_label(instance.service) and is_label(instance.id)):
            message = f"{instance.name} names no folder"
            raise ValueError(message)
        return self._data_dir / instance.service / instance.id

    async def _make_folder(self, instance: Instance, account: Account | None) -> None:
        """Make the instance's folder, and let it have the owner it is to have."""
        path = self._folder(instance)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
        if path.lstat().st_uid != uid:
            spared = await asyncio.to_thread(give_folder, str(path), uid, gid)
            if spared:
                self._warn(instance, f"{spared} files with several names keep their owner")
        await asyncio.to_thread(self._keep_quota, instance.spec, str(path))
        if account is not None and instance.spec.isolation is Isolation.PROCESS:
            for folder in (self._data_dir, path.parent):
                folder.chmod(folder.stat().st_mode | stat.S_IXOTH)

    def _keep_quota(self, spec: ServiceSpec, folder: str) -> None:
        is_required = self._registry.config.settings.require_limits is not False
        keep_quota(spec, folder, is_required=is_required)

    def _make_cgroup(self, instance: Instance) -> Cgroup | None:
        if self._tree is None:
            return None
        return self._tree.create(f"{self._group}/{instance.name}")


def _failure(reply: Reply) -> str:
    """Say what failed: the step, the kernel's word, the path where the step does not name it."""
    name = errno.errorcode.get(reply.errno, str(reply.errno))
    place = f" at {reply.path}" if reply.path and reply.path not in reply.step else ""
    return f"{reply.step}: {os.strerror(reply.errno)} ({name}){place}"


def _advice(plan: Plan, reply: Reply, account: Account | None) -> str:
    if account is None or reply.errno != errno.EACCES:
        return ""
    closed = find_closed(reply.path, account, plan.steps)
    return how_to_open(closed, account) if closed else ""


def why_of(error: BaseException) -> Why:
    """Make the why card of a launch that failed."""
    since = wall()
    match error:
        case LaunchFailed():
            number = errno.errorcode.get(error.errno, "")
            summary = f"{error} ({error.hint})" if error.hint else str(error)
            return Why(summary=summary, step=error.step, errno=number, path=error.path, since=since)
        case FeatureMissing() if error.hint:
            return Why(summary=f"{error} ({error.hint})", step="prepare the launch", since=since)
        case TenError():
            return Why(summary=str(error), step="prepare the launch", since=since)
        case OSError():
            return Why(
                summary=f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
                step="prepare the launch",
                errno=errno.errorcode.get(error.errno or 0, ""),
                path=str(error.filename or ""),
                since=since,
            )
        case _:
            log.error("a launch failed by a mistake of ours", exc_info=error)
            return Why(summary=f"internal error: {error!r}", step="prepare the launch", since=since)
