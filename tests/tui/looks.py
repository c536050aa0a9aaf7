"""What a look at an instance and at a host gives, for the fake engine."""

from engine.core.doctor import Answer, Finding, Report, report_of
from engine.core.inspection import (
    Inspection,
    LimitFact,
    Live,
    MountFact,
    NamespaceFact,
    PlanFrom,
    ProcessFact,
    StepFact,
)


def demo_inspection(name: str) -> Inspection:
    """One thing of it is not as planned; a path would clear the screen."""
    return Inspection(
        name=name,
        state="healthy",
        isolation="namespace",
        plan_from=PlanFrom.LAUNCH,
        steps=(
            StepFact(text="unshare pid,mount,ipc,uts", seen="pid 4026532182, mount 4026532179"),
            StepFact(text="readonly /", seen="/ can be written", is_off=True),
            StepFact(text="no_new_privs", seen="set"),
            StepFact(text="drop_caps", seen="none"),
            StepFact(text="exec python3", seen="4012: /usr/bin/python3"),
        ),
        live=Live(
            pid=4010,
            main_pid=4012,
            runtime="namespace",
            namespaces=(
                NamespaceFact(kind="mnt", inode=4026532179, is_own=True),
                NamespaceFact(kind="net", inode=4026531833, is_own=False),
            ),
            uid=(0, 0, 0, 0),
            gid=(0, 0, 0, 0),
            user="root",
            capabilities={"effective": (), "bounding": ()},
            no_new_privs=True,
            seccomp="filter",
            filters=1,
            cgroup="/sys/fs/cgroup/ten-1a2b3c4d/api:alice",
            limits={"memory.max": "268435456", "pids.max": "4096"},
            usage={"memory.current": "50331648"},
            mounts=(
                MountFact(
                    target="/tmp/\x1b[2J",
                    change="new",
                    fstype="tmpfs",
                    source="tmpfs",
                    options="rw",
                ),
            ),
            processes=(ProcessFact(pid=4012, name="python3", state="S", inner_pid=2),),
            environment=("HOME", "PATH", "PORT"),
        ),
        limits=(LimitFact(file="pids.max", wanted="4096", found="4096"),),
        mismatches=("readonly /: / can be written",),
    )


def demo_report() -> Report:
    """A host without swap whose configuration needs gVisor."""
    return report_of(
        "ten-host",
        "/srv/tenement.toml",
        [
            Finding(name="kernel.version", title="Linux", value=Answer.YES, detail="6.12.9 x86_64"),
            Finding(
                name="memory.swap",
                title="swap",
                value=Answer.NO,
                why="none is on: a frozen instance keeps all its memory",
                fix="apt-get install zram-tools",
            ),
            Finding(
                name="isolation.runsc",
                title="gVisor (runsc)",
                value=Answer.NO,
                why="runsc is not installed",
                fix="apt-get install runsc",
                needed_by=("service.api.isolation",),
            ),
        ],
    )
