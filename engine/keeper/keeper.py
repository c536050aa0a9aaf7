"""The keeper: parent of engine, doors and instances, which it holds for the engine's orders."""

import contextlib
import errno as errnos
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from functools import partial

from engine.keeper.children import Child
from engine.keeper.files import Files
from engine.keeper.instance import Instance
from engine.keeper.link import Link
from engine.keeper.loop import Loop, log
from engine.keeper.protocol import MAX_MESSAGE, SHUTDOWN_SECONDS, SPAWN_SECONDS, Message
from engine.kernel import syscalls
from engine.kernel.syscalls import net, process, reaper, steps
from engine.kernel.syscalls.launch import Launch

_MAX_SOCKETS = 250
_DOOR_SOCKETS, _DOOR_BYTES, _DOOR_QUEUE = 64, 16 * 1024, 4
"""Sockets given to a door at once; what it may leave unread holds some thousand at most."""

_REAP_SECONDS = 0.05
"""How long the parent of an adopted process may take to reap it, which frees its exit status."""


class Keeper:
    """Holds everything and does what the engine orders; decides nothing while that one lives."""

    def __init__(self, options: dict[str, str], files: Files) -> None:
        """Take the command line, names with their dashes and values, and the run directory."""
        self._options = options
        self._files = files
        self._lifeline, self._traffic, *self._apis = map(int, options["--fds"].split(","))
        self._nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._reaper_fd = reaper.open_image()
        self._loop = Loop(self._on_signal)
        self._instances: dict[str, Instance] = {}
        self._launches: dict[Instance, tuple[Launch, Link, object]] = {}
        self._link: Link | None = None
        self._pairs: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._engine = Child("engine", self._loop, self._start_engine)
        self._children = [self._engine]
        for index in range(int(options["--doors"])):
            start = partial(self._start_door, index)
            self._children.append(Child(f"door {index}", self._loop, start))
        if "--front" in options:
            self._children.append(Child("caddy", self._loop, self._start_front))

    def run(self) -> None:
        """Serve until asked to stop and the engine has stopped its instances, or cannot."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._nofile[1], self._nofile[1]))
        for instance in self._files.adopt():
            self._instances[instance.name] = instance
            if instance.exit is None:
                self._loop.watch(instance.pidfd, partial(self._adopted_ended, instance))
        for child in self._children:
            child.start()
        self._loop.run()

    # Engine and doors.

    def _run(
        self, role: str, fds: list[int], names: str, cwd: str = "", log_name: str = "log/engine.log"
    ) -> int:
        command = f"-P {self._options.get('--engine-command', '-m engine')} {role}".split()
        for name in names.split():
            command += [name, self._options[name]]
        argv, log_path = [sys.executable, *command], f"{self._files.path}/{log_name}"
        return process.start_program(argv, [*fds, self._lifeline], log_path, cwd)

    def _start_engine(self) -> int:
        self._link = link = Link(self._loop, self._obey)
        with link.theirs:
            names = "--data-dir --config --domain --port"
            names += " --front" if "--front" in self._options else ""
            pid = self._run("daemon --keeper-fd 3", [link.theirs.fileno()], names)
        with contextlib.suppress(OSError):  # the disk is full: the engine runs all the same
            process.write_whole(f"{self._files.path}/engine.pid", f"{pid}\n")
        welcome = {"keeper_pid": os.getpid(), "boot_id": self._files.boot_id}
        link.send({"type": "welcome", **welcome, "fds": ["api", "door_api"]}, self._apis)
        for name, fifos in self._files.fifos.items():
            if name not in self._instances:
                link.send({"type": "fifo", "name": name}, fifos)
            elif self._instances[name] not in self._launches:
                self._show(self._instances[name])
        for index in self._pairs:
            self._show_door(index)
        self._loop.after(0, self._settle)  # once its pid is noted
        return pid

    def _start_door(self, index: int) -> int:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        role = f"door --listen-fd 3 --control-fd 4 --supply-fd 5 --index {index}"
        supply = Link(self._loop, self._supply, _DOOR_BYTES, _DOOR_QUEUE)
        with supply.theirs:  # ends with the door
            fds = [self._traffic, pair[0].fileno(), supply.theirs.fileno()]
            pid = self._run(role, fds, "--domain --uid", f"{self._files.path}/door")
        self._pairs[index] = pair  # both ends stay open here: neither side sees the other one die
        self._loop.after(0, partial(self._show_door, index))  # once its pid is noted
        return pid

    def _start_front(self) -> int:
        fds = list(map(int, self._options["--front-fds"].split(",")))
        names = "--data-dir --config --port --front"
        pid = self._run("front", fds, names, f"{self._files.path}/caddy", "log/front.log")
        with contextlib.suppress(OSError):  # the disk is full: only the engine does not see it
            process.write_whole(f"{self._files.path}/caddy.pid", f"{pid}\n")
        return pid

    def _show_door(self, index: int) -> None:
        pid, pair = self._children[index + 1].pid, self._pairs[index]
        self._tell({"type": "door", "index": index, "pid": pid}, [pair[1].fileno()])

    def _show(self, instance: Instance) -> None:
        self._tell(instance.told(), [instance.pidfd, *self._files.fifos[instance.name]])

    def _tell(self, message: Message, fds: Iterable[int] = ()) -> None:
        if self._link:
            self._link.send(message, fds)

    def _settle(self) -> None:
        """Act on there being no launch under way: a new engine's list is complete only then."""
        if self._launches:
            return
        if self._link and not self._link.is_greeted:
            self._link.is_greeted = True
            self._link.send({"type": "ready"})
        # What else is a child now came here as an orphan: from a subreaper that was killed, if it
        # is in no instance's cgroup.
        held = self._instances.values()
        spared = [child.pid for child in self._children] + [each.pid for each in held]
        process.kill_children(spared, [each.cgroup for each in held if each.cgroup])

    # Orders.

    def _obey(self, link: Link, data: bytes) -> None:
        """Carry out one order; whatever is wrong with it, the keeper answers and goes on."""
        seq, what = None, "order"
        try:
            message = json.loads(data)
            seq, what = message.get("seq"), str(message["op"])
            if len(data) > MAX_MESSAGE:
                raise OSError(errnos.E2BIG, f"more than {MAX_MESSAGE} bytes")
            getattr(self, f"_op_{what}")(link, message)
        except Exception as error:  # noqa: BLE001 - see above
            log(f"{what} refused: {error!r}")
            errno = error.errno if isinstance(error, OSError) else errnos.EINVAL
            self._refuse(link, seq, {"step": f"{what}: {error}", "errno": errno, "path": ""})

    def _refuse(self, link: Link, seq: object, failure: Message) -> None:
        if seq is not None:
            link.send({"type": "reply", "re": seq, "ok": False, "index": -1} | failure)

    def _op_spawn(self, link: Link, message: Message) -> None:
        name, plan = str(message["name"]), steps.check(message["plan"])
        if not self._engine.is_wanted:
            raise OSError(errnos.ESHUTDOWN, "stopping")
        if name in self._instances:
            raise FileExistsError(errnos.EEXIST, f"{name} is held")
        if "/" in name or "\0" in name or name.startswith("."):
            raise ValueError("the name would leave its folder")
        instance = Instance(name, str(message["cgroup"]), message["blob"])
        instance.is_subreaper = ["reap"] in plan and ["fork"] not in plan
        self._files.open_fifos(name)
        launch = Launch(plan, self._reaper_fd)
        launch.start(self._files.output(name), self._nofile)
        self._instances[name] = instance
        self._launches[instance] = (launch, link, message["seq"])
        self._loop.watch(launch.report.fileno(), partial(self._follow, instance))
        self._loop.after(SPAWN_SECONDS, partial(self._give_up, instance, errnos.ETIMEDOUT))

    def _op_ack(self, _: Link, message: Message) -> None:
        instance = self._instances[str(message["name"])]
        if instance.pid == message["pid"]:
            instance.is_acked = True
            if instance.exit:
                self._forget(instance)
            else:
                self._reap()  # the engine saw its end first

    def _op_release(self, _: Link, message: Message) -> None:
        if message["name"] in self._instances:
            raise OSError(errnos.EBUSY, "its process is held")
        self._files.release(str(message["name"]))

    def _op_kill(self, _: Link, message: Message) -> None:
        instance = self._instances[str(message["name"])]
        self._give_up(instance, errnos.ECANCELED)
        instance.kill()

    def _op_sockets(self, link: Link, message: Message) -> None:
        held = next(each for each in self._instances.values() if each.pid == message["pid"])
        count = min(int(str(message["count"])), _MAX_SOCKETS)
        fds = net.sockets_inside(held.pidfd, count, str(message["family"]))
        link.send({"type": "reply", "re": message["seq"], "ok": True, "count": len(fds)}, fds)
        for fd in fds:
            os.close(fd)

    def _supply(self, link: Link, data: bytes) -> None:
        """Give a door sockets: it names a process by pid and start time, in fixed form."""
        fds: list[int] = []
        pid, start_ticks, count = struct.unpack("=IQI", data)
        answer: Message = {"type": "supplied", "pid": pid, "start_ticks": start_ticks}
        try:
            named = (pid, start_ticks)
            found = [it for it in self._instances.values() if (it.pid, it.start_ticks) == named]
            if not found:
                raise OSError(errnos.ESRCH, "no such instance")
            fds = net.sockets_inside(found[0].pidfd, min(count, _DOOR_SOCKETS), "inet")
        except OSError as error:
            answer["errno"] = error.errno or errnos.EIO
        link.send(answer, fds)
        for fd in fds:
            os.close(fd)

    def _op_ready(self, *_: object) -> None:
        process.notify("READY=1")

    def _op_shutdown_done(self, *_: object) -> None:
        if not self._engine.is_wanted:
            self._loop.stop()

    # Launches.

    def _follow(self, instance: Instance) -> None:
        """Take what a launch has reported."""
        launch = self._launches[instance][0]
        with contextlib.suppress(BlockingIOError):
            while report := launch.read():
                if report == b"ready" and not self._record(instance, launch):
                    break
            self._launched(instance)

    def _record(self, instance: Instance, launch: Launch) -> bool:
        """Let the program run, but not before the next keeper could find it."""
        try:
            instance.take(launch)
            self._files.save(instance)
        except OSError as error:
            launch.give_up(error.errno or errnos.EIO)
            return False
        launch.go()
        return True

    def _give_up(self, instance: Instance, errno: int) -> None:
        if instance in self._launches:
            self._launches[instance][0].give_up(errno)
            self._launched(instance)

    def _launched(self, instance: Instance) -> None:
        """Answer the order: the program runs, or a step has failed."""
        launch, link, seq = self._launches.pop(instance)
        self._loop.unwatch(launch.report.fileno())
        instance.take(launch)
        launch.close()
        if launch.failure:
            instance.kill()
            self._forget(instance)
            self._refuse(link, seq, launch.failure)
        else:
            fds = [instance.pidfd, *self._files.fifos[instance.name]]
            link.send(instance.told() | {"type": "reply", "re": seq, "ok": True}, fds)
            if link is not self._link:
                self._show(instance)
            if instance.exit:
                self._tell_exit(instance)
        self._settle()

    def _forget(self, instance: Instance) -> None:
        del self._instances[instance.name]
        self._files.forget(instance)
        self._loop.unwatch(instance.pidfd)
        instance.close()

    # Ends.

    def _reap(self) -> None:
        """Take the status of each that has ended, after what its launch had reported."""
        with contextlib.suppress(ChildProcessError):
            while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                for instance in list(self._launches):
                    self._follow(instance)
                self._ended(*os.waitpid(dead.si_pid, 0))

    def _ended(self, pid: int, status: int) -> None:
        for child in self._children:
            if child.pid == pid:
                if child is self._engine and self._link:
                    self._link.close()
                child.ended(f"exit status {os.waitstatus_to_exitcode(status)}")
                if not self._engine.is_wanted and child is self._engine:
                    self._loop.stop()
        for instance in list(self._instances.values()):
            if instance.pid == pid and not instance.exit and not instance.is_adopted:
                instance.ended(status)
                self._tell_exit(instance)
        self._settle()

    def _adopted_ended(self, instance: Instance, is_last_try: bool = False) -> None:
        self._loop.unwatch(instance.pidfd)
        status = syscalls.pidfd_exit_status(instance.pidfd)
        if status is None and not is_last_try:
            self._loop.after(_REAP_SECONDS, partial(self._adopted_ended, instance, True))
        elif instance.exit is None:
            instance.ended(status)
            self._tell_exit(instance)

    def _tell_exit(self, instance: Instance) -> None:
        if instance in self._launches or not instance.exit:
            return
        if instance.is_acked:
            self._forget(instance)
            return
        exit_ = {"type": "exit", "name": instance.name, "pid": instance.pid}
        self._tell(exit_ | instance.exit)
        with contextlib.suppress(OSError):  # the next keeper will not know the status
            self._files.save(instance)

    # Stopping.

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._tell({"type": "reload"})
        elif self._engine.is_wanted and self._engine.pid:
            self._engine.is_wanted = False
            process.notify("STOPPING=1")
            self._tell({"type": "shutdown", "within": SHUTDOWN_SECONDS})
            self._loop.after(SHUTDOWN_SECONDS, self._loop.stop)
        else:
            self._loop.stop()  # asked a second time, or there is no engine to do it
