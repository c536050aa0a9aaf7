"""The engine process: its parts put together, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from engine.core import keeperwire as wire
from engine.core import life
from engine.core.wire import EventKind
from engine.daemon import tasks
from engine.daemon.accounts import Accounts
from engine.daemon.acts import Acts
from engine.daemon.adoption import Adoption
from engine.daemon.api.app import make_app
from engine.daemon.api.listener import Listener
from engine.daemon.auth import DATABASE_FILE, Auth
from engine.daemon.clock import wall
from engine.daemon.config_watch import ConfigWatch
from engine.daemon.doctor import Doctor
from engine.daemon.door_link import Doors
from engine.daemon.engine_control import EngineControl, Identity
from engine.daemon.feeds import Feeds
from engine.daemon.figures import Figures
from engine.daemon.force import Force
from engine.daemon.front import Front
from engine.daemon.inspector import Inspector
from engine.daemon.journal import Journal
from engine.daemon.keeper_link import KeeperLink
from engine.daemon.launcher import Launcher
from engine.daemon.limit_acts import LimitActs
from engine.daemon.limiter import Limiter
from engine.daemon.logs_view import LogsView
from engine.daemon.oom import OomWatch
from engine.daemon.packets import close_all
from engine.daemon.ports import Ports
from engine.daemon.prober import Prober
from engine.daemon.registry import Registry
from engine.daemon.reloading import Reloader
from engine.daemon.rollouts import Rollouts
from engine.daemon.routes import Routes, route_table
from engine.daemon.sampler import Sampler
from engine.daemon.scaling import Scaling
from engine.daemon.store import Store, StoreError
from engine.daemon.stream import Broadcaster
from engine.daemon.supervisor import Supervisor, Tools
from engine.daemon.version_store import VersionStore
from engine.daemon.versions import Versions
from engine.daemon.wakes import Wakes
from engine.daemon.ways import Ways
from engine.kernel.cgroup import find_tree, group_of
from engine.kernel.procfs import start_ticks

if TYPE_CHECKING:
    from pathlib import Path

    from engine.core.doorwire import InstanceStats
    from engine.core.wire import Snapshot
    from engine.daemon.prober import ProbeResult

log = logging.getLogger(__name__)

KILL_SECONDS = 4.0
"""Before the end of a shutdown's time, what still runs is killed."""

API_SECONDS = 1.0
"""How long answers under way may take once everything else has ended."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The engine's command line."""

    keeper_fd: int
    data_dir: Path
    config: str
    domain: str
    port: int
    front: str = ""


class Engine:
    """Everything between the keeper and the clients."""

    def __init__(self, options: Options) -> None:
        """Open the database, read the configuration and take up the link to the keeper.

        Raises:
            TenError: The database or the configuration cannot be used.
        """
        self._options = options
        self._store = Store(options.data_dir / DATABASE_FILE)
        self._force = Force(self._store, options.config, options.data_dir)
        self._registry = Registry(self._force.applied(self._force.config))
        self._broadcaster = Broadcaster(self._snapshot)
        self._journal = Journal(self._store, self._broadcaster)
        self._feeds = Feeds(options.data_dir / "logs", self._registry, self._journal)
        self._keeper = KeeperLink(
            socket.socket(fileno=options.keeper_fd),
            on_message=self._on_message,
            on_end=self._on_keeper_gone,
        )
        self._front = self._make_front()
        self._feeds.on_read_out = self._on_read_out
        self._prober = Prober(self._on_probe)
        self._doors = Doors(self._on_wake, self._on_stats, self._feeds.access.open, self._on_crowd)
        group = group_of(str(options.data_dir))
        self._ways = Ways(self._registry, self._journal, options.data_dir / "run", group)
        self._supervisor = Supervisor(self._tools())
        self._wakes = Wakes(self._supervisor)
        self._figures = Figures(self._supervisor, options.data_dir)
        self._reloader = Reloader(self._supervisor, self._force)
        self._adoption = Adoption(self._supervisor)
        kept = VersionStore(self._store)
        self._versions = Versions(self._registry, kept)
        self._rollouts = Rollouts(self._supervisor, self._versions, kept)
        scaling = Scaling(self._supervisor, self._versions, self._rollouts)
        self._figures.on_samples = scaling.look
        self._control = self._make_control()
        self._listening: dict[str, socket.socket] = {}
        self._listeners: list[Listener] = []
        self._keeper_pid = 0
        self._boot_id = ""
        self._is_ready = False
        self._over = asyncio.Event()
        self._watch = ConfigWatch(options.config, self._on_file_changed)

    async def run(self) -> None:
        """Serve until the keeper asks for the end, or is gone."""
        loop = asyncio.get_running_loop()
        # Asked to end by itself, the engine leaves everything running: the keeper starts another.
        loop.add_signal_handler(signal.SIGTERM, self._on_keeper_gone)
        for number in (signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: None)  # the terminal's; meant for the keeper
        await self._over.wait()

    def _make_front(self) -> Front:
        registry, options = self._registry, self._options
        return Front(
            options.front,
            run_dir=options.data_dir / "run",
            domain=options.domain,
            port=options.port,
            registry=registry,
            journal=self._journal,
            table=lambda version: route_table(version, options.domain, registry.config, registry),
        )

    def _tools(self) -> Tools:
        registry, options = self._registry, self._options
        routes = Routes(self._doors, self._front.table)
        sampler = Sampler(
            log_counters=self._count_lines,
            inflight=self._doors.inflight,
            restarts=self._count_restarts,
        )
        limiter = Limiter(self._journal, self._registry, sampler)
        launcher = Launcher(
            registry=registry,
            keeper=self._keeper,
            feeds=self._feeds,
            journal=self._journal,
            ports=Ports(),
            limiter=limiter,
            tree=find_tree(),
            group=group_of(str(options.data_dir)),
            data_dir=options.data_dir,
            accounts=Accounts(self._store, registry, options.data_dir),
            ways=self._ways,
        )
        return Tools(
            registry=registry,
            store=self._store,
            journal=self._journal,
            broadcaster=self._broadcaster,
            keeper=self._keeper,
            doors=self._doors,
            routes=routes,
            launcher=launcher,
            limiter=limiter,
            feeds=self._feeds,
            prober=self._prober,
            sampler=sampler,
            oom=OomWatch(self._journal),
        )

    def _count_lines(self, name: str) -> tuple[int, int]:
        counters = self._feeds.pump.counters(name)
        return counters.lines, counters.errors

    def _count_restarts(self, name: str) -> int:
        known = self._registry.instances.get(name)
        return known.life.restarts if known is not None else 0

    def _make_control(self) -> EngineControl:
        options = self._options
        return EngineControl(
            identity=Identity(
                data_dir=str(options.data_dir),
                domain=options.domain,
                port=options.port,
                started_at=wall(),
            ),
            registry=self._registry,
            store=self._store,
            broadcaster=self._broadcaster,
            acts=Acts(self._supervisor, self._rollouts),
            limits=LimitActs(self._supervisor),
            front=self._front,
            figures=self._figures,
            logs=LogsView(self._feeds, self._registry),
            reloader=self._reloader,
            inspector=Inspector(self._registry, self._supervisor.tools.launcher),
            doctor=Doctor(self._registry, options.data_dir, options.port),
        )

    def _snapshot(self) -> Snapshot:
        return self._control.snapshot()

    # --- what the parts say to each other ---

    def _on_read_out(self, name: str) -> None:
        self._keeper.send(wire.Release(name))

    def _on_probe(self, name: str, result: ProbeResult) -> None:
        self._supervisor.on_probe(name, result)

    def _on_wake(self, name: str) -> None:
        self._wakes.on_wake(name)

    def _on_crowd(self, key: str, waiting: int) -> None:
        self._wakes.on_crowd(key, waiting)

    def _on_stats(self, stats: dict[str, InstanceStats]) -> None:
        self._figures.on_stats(stats)

    # --- what the keeper says ---

    def _on_message(self, message: wire.FromKeeper, fds: list[int]) -> None:
        match message:
            case wire.Welcome() | wire.Held() | wire.Fifo() | wire.Ready():
                self._on_greeting(message, fds)
            case wire.Door():
                self._on_door(message, fds)
            case wire.Exit():
                self._supervisor.on_exit(message)
            case wire.ShutdownAsked():
                tasks.spawn(self._shut_down(message.within), name="shutdown")
            case wire.ReloadAsked():
                tasks.spawn(self._reloader.reload(actor="SIGHUP"), name="reload")
            case wire.Reply():
                close_all(fds)
            case _:
                assert_never(message)

    def _on_greeting(
        self, message: wire.Welcome | wire.Held | wire.Fifo | wire.Ready, fds: list[int]
    ) -> None:
        match message:
            case wire.Welcome():
                self._keeper_pid, self._boot_id = message.keeper_pid, message.boot_id
                self._figures.keeper_pid = message.keeper_pid
                for name, fd in zip(message.fds, fds, strict=True):
                    self._listening[name] = socket.socket(fileno=fd)
            case wire.Held():
                self._adoption.take_held(message, fds)
            case wire.Fifo():
                self._adoption.take_fifo(message, fds)
            case wire.Ready():
                tasks.spawn(self._begin_or_end(), name="begin")
            case _:
                assert_never(message)

    def _on_door(self, message: wire.Door, fds: list[int]) -> None:
        if len(fds) != 1:
            log.error("door %d came without its link", message.index)
            close_all(fds)
            return
        end = socket.socket(fileno=fds[0])
        self._doors.add(message.index, message.pid, end, is_new=self._is_ready)

    def _on_keeper_gone(self) -> None:
        """End at once: instances live on, and the next keeper's engine takes them up."""
        log.info("the engine leaves")
        self._store.close()
        logging.shutdown()
        os._exit(0)

    async def _begin_or_end(self) -> None:
        """Begin; an engine that cannot is better started again than half there."""
        try:
            await self._begin()
        except Exception:
            log.exception("the engine cannot begin")
            logging.shutdown()
            os._exit(1)

    async def _begin(self) -> None:
        """Take up everything, then open to the doors and the clients."""
        self._versions.load()
        self._adoption.run(is_fresh=self._is_keeper_new())
        self._rollouts.resume()
        self._is_ready = True
        self._supervisor.tools.routes.open()
        auth = Auth(self._store, self._options.data_dir)
        for name, is_local in (("api", True), ("door_api", False)):
            app = make_app(
                self._control,
                auth=auth,
                is_local=is_local,
                rollouts=self._rollouts,
                versions=self._versions,
            )
            listener = Listener(app, self._listening[name])
            await listener.start()
            self._listeners.append(listener)
        self._reloader.share()
        self._keeper.send(wire.EngineReady())
        self._note("the engine is ready")
        self._reloader.begin()
        self._watch.start()
        self._front.start()
        self._ways.begin()
        self._figures.start()

    def _is_keeper_new(self) -> bool:
        """Tell whether this keeper was not there when the engine before ran."""
        name = f"{self._boot_id} {self._keeper_pid} {start_ticks(self._keeper_pid)}"
        is_new = self._store.get("keeper") != name
        if is_new:
            try:
                self._store.put("keeper", name)
            except StoreError as error:  # the disk is full: the next engine does this again
                log.error("the keeper is not noted: %s", error)
        return is_new

    def _on_file_changed(self) -> None:
        tasks.spawn(self._reloader.reload(actor="config"), name="reload")

    # --- the end ---

    async def _shut_down(self, within: float) -> None:
        """Stop all instances at once, each in its own order, and say so to the keeper."""
        deadline = asyncio.get_running_loop().time() + within
        self._registry.is_stopping = True
        self._note("the engine stops everything")
        await self._watch.stop()
        for instance in self._registry:
            self._supervisor.apply(instance, life.Shutdown())
        await self._await_ends(deadline - KILL_SECONDS)
        for instance in self._registry:
            if not instance.is_over():
                log.warning("%s did not end in time and is killed", instance.name)
                self._supervisor.kill(instance)
        await self._await_ends(deadline - API_SECONDS)
        await self._feeds.close()
        self._supervisor.tools.launcher.close()
        await asyncio.gather(*(each.stop(API_SECONDS) for each in self._listeners))
        self._note("the engine stopped everything")
        await self._figures.stop()
        self._store.close()
        self._keeper.send(wire.ShutdownDone())
        await self._keeper.flush()
        logging.shutdown()
        os._exit(0)

    async def _await_ends(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                for instance in self._registry:
                    await instance.until(instance.is_over)
        except TimeoutError:
            return

    def _note(self, text: str) -> None:
        self._journal.add(EventKind.ENGINE, text)
