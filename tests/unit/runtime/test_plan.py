from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.errors import FeatureMissing, SpecError
from engine.core.hardening import Hardening, HardeningSpec
from engine.core.spec import Isolation, ServiceSpec
from engine.kernel.syscalls import steps as wire
from engine.runtime import files, namespace, refused, sight, steps
from engine.runtime.plan import Plan, build_plan, fill
from engine.runtime.sandbox import Gvisor

Build = Callable[..., Plan]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def make(
        *,
        ident: str = "alice",
        cgroup: str = "",
        port: int = 30001,
        environ: object = None,
        pass_env: tuple[str, ...] = ("PATH",),
        secret: tuple[str, ...] = (),
        gvisor: Gvisor | None = None,
        **fields: object,
    ) -> Plan:
        values = {"command": "true", "workdir": str(tmp_path)} | fields
        return build_plan(
            ServiceSpec(name="api", **values),  # type: ignore[arg-type]
            ident,
            port=port,
            data_dir=str(tmp_path / "data"),
            cgroup=cgroup,
            environ=environ or {},  # type: ignore[arg-type]
            pass_env=pass_env,
            secret=secret,
            gvisor=gvisor,
        )

    return make


def last(plan: Plan) -> steps.Execute:
    step = plan.steps[-1]
    assert isinstance(step, steps.Execute)
    return step


def test_process_with_a_cgroup_is_executed_directly(build: Build, tmp_path: Path) -> None:
    plan = build(isolation=Isolation.PROCESS, cgroup="/cg/api:alice")
    assert plan.describe() == [
        "cgroup /cg/api:alice",
        f"mkdir {tmp_path}/data/api/alice",
        "mkdir /tmp/tenement",
        "unlink /tmp/tenement/api-alice.sock",
        "setsid",
        f"chdir {tmp_path}",
        "exec true",
    ]


def test_process_without_one_has_a_subreaper(build: Build) -> None:
    plan = build(isolation=Isolation.PROCESS)
    ops = [step.op for step in plan.steps]
    assert ops == ["reap", "mkdir", "mkdir", "unlink", "setsid", "chdir", "exec"]


def test_namespace_as_root(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace.userns, "has_capability", lambda _: True)
    monkeypatch.setattr(namespace.os, "geteuid", lambda: 0)
    monkeypatch.setattr(files, "COVERED", {"/tmp": (0o1777, ""), "/root": (0o755, "")})
    monkeypatch.setattr(namespace, "filter_program", lambda: b"x" * 8)
    plan = build(cgroup="/cg/api:alice", workdir="/").describe()
    ops = [line.split(" ")[0] for line in plan]
    assert plan[: ops.index("readonly")] == [
        "cgroup /cg/api:alice",
        "unshare pid,mount,ipc,uts,cgroup",
        "fork",
        "reap",
        f"mkdir {tmp_path}/data/api/alice",
        "mount options on /",
        "hostname api-alice",
    ]
    middle = plan[ops.index("readonly") : ops.index("setsid")]
    assert [line for line in middle if not line.startswith("mask")] == [
        "readonly /",
        "hide /root",
        "hide /tmp",
        "dev /dev",
        "mount proc on /proc",
        next(line for line in plan if line.startswith("readonly /proc/sys")),
        "hide /sys",
        "mkdir /sys/fs/cgroup",
        "mount cgroup2 on /sys/fs/cgroup",
        "readonly /sys",
        f"hide {tmp_path}/data",
        "mkdir /tmp/tenement",
        "unlink /tmp/tenement/api-alice.sock",
    ]
    assert plan[ops.index("setsid") :] == [
        "setsid",
        "rlimit CORE",
        "chdir /",
        "keyring",
        "no_new_privs",
        "drop_caps",
        f"seccomp {len(refused.CALLS)} calls and more",
        "exec true",
    ]


def test_strict_leaves_only_its_own_folder_to_write(build: Build, tmp_path: Path) -> None:
    plan = build(hardening=HardeningSpec(level=Hardening.STRICT))
    first = next(step for step in plan.steps if isinstance(step, steps.MakeReadOnly))
    assert first.paths == ("/",)
    assert first.writable == (str(tmp_path / "data/api/alice"),)


def test_the_default_lets_it_write_what_it_is_given(build: Build, tmp_path: Path) -> None:
    for name in ("app", "given", "named", "bin", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "named")
    program = tmp_path / "bin/program"
    program.touch(0o755)
    plan = build(
        command=str(program),
        args=(str(tmp_path / "given"), "/usr", "/etc/hostname", "/"),
        env={"LINK": str(tmp_path / "link"), "NULL": "/dev/null"},
        workdir=str(tmp_path / "app"),
    )
    first = next(step for step in plan.steps if isinstance(step, steps.MakeReadOnly))
    # The link lies beside what may be written: an instance could have put it there.
    names = ("app", "data/api/alice", "given")
    assert first.writable == tuple(str(tmp_path / name) for name in names)


def test_off_takes_nothing_from_it(build: Build) -> None:
    ops = [step.op for step in build(hardening=HardeningSpec(level=Hardening.OFF)).steps]
    assert not {"readonly", "mask", "dev", "no_new_privs", "drop_caps", "rlimit"} & set(ops)
    kept = HardeningSpec(level=Hardening.OFF, capabilities=("sys_admin",))
    assert "drop_caps sys_admin" in build(hardening=kept).describe()


@pytest.mark.parametrize("isolation", [Isolation.PROCESS, Isolation.NAMESPACE])
def test_resource_limits_are_set(build: Build, isolation: Isolation) -> None:
    spec = HardeningSpec(rlimits={"nofile": (10, 20), "core": (0, -1)})
    plan = build(isolation=isolation, hardening=spec)
    limits = [step for step in plan.steps if isinstance(step, steps.LimitResource)]
    assert limits == [
        steps.LimitResource("CORE", 0, -1),
        steps.LimitResource("NOFILE", 10, 20),
    ]


def test_capabilities_named_are_kept(build: Build) -> None:
    plan = build(hardening=HardeningSpec(capabilities=("chown", "net_bind_service")), workdir="/")
    assert "drop_caps chown,net_bind_service" in plan.describe()


def test_the_configuration_is_masked_unless_it_is_named(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "tenement.toml"
    config.touch()

    def masked(**fields: object) -> bool:
        plan = build(secret=(str(config),), **fields)
        masks = [step.paths for step in plan.steps if isinstance(step, steps.Mask)]
        return any(str(config) in paths for paths in masks)

    assert masked()
    assert not masked(command="cat", args=(str(config),))


def test_namespace_as_an_ordinary_user_maps_just_that_user(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace.userns, "has_capability", lambda _: False)
    monkeypatch.setattr(namespace.userns, "why_no_user_namespace", lambda: ("", ""))
    monkeypatch.setattr(namespace.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(namespace.os, "getegid", lambda: 1001)
    shown = build().to_wire()
    assert ["unshare", ["user", "pid", "mount", "ipc", "uts"]] in shown
    assert ["idmap", "1000 1000 1", "1001 1001 1"] in shown


def test_missing_user_namespaces_are_named_with_their_fix(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace.userns, "has_capability", lambda _: False)
    monkeypatch.setattr(namespace.userns, "why_no_user_namespace", lambda: ("it is off", "turn"))
    with pytest.raises(FeatureMissing, match="it is off") as caught:
        build()
    assert caught.value.hint == "turn"


@pytest.mark.parametrize("isolation", [Isolation.PROCESS, Isolation.NAMESPACE])
@pytest.mark.parametrize("cgroup", ["", "/cg/x"])
def test_every_plan_is_one_the_keeper_takes(build: Build, isolation: str, cgroup: str) -> None:
    plan = build(isolation=isolation, cgroup=cgroup)
    assert wire.check(plan.to_wire()) == plan.to_wire()
    assert [wire.describe(step) for step in plan.to_wire()] == plan.describe()


def test_every_step_has_its_function() -> None:
    ops = {each.op for each in steps.Step.__subclasses__()}
    assert ops <= wire.STEPS.keys()


def test_texts_are_filled(build: Build, tmp_path: Path) -> None:
    plan = build(
        isolation=Isolation.PROCESS,
        command="run --at {data_dir}/{name}/{id} '{socket} {port}' {other} {}",
        env={"WHERE": "{port} {socket} {name}", "PORT": "1", "SOCKET_PATH": "mine"},
        socket="/run/{name}/{id}-{port}.sock",
    )
    socket = "/run/api/alice-{port}.sock"
    assert last(plan).argv == (
        "run",
        "--at",
        f"{tmp_path}/data/api/alice",
        f"{socket} 30001",
        "{other}",
        "{}",
    )
    assert last(plan).env["WHERE"] == f"30001 {socket} api"
    assert last(plan).env["PORT"] == "30001"
    assert last(plan).env["SOCKET_PATH"] == socket


def test_a_command_with_args_is_taken_whole(build: Build) -> None:
    plan = build(isolation=Isolation.PROCESS, command="my program", args=("a b", "{port}"))
    assert last(plan).file == "my program"
    assert last(plan).argv == ("my program", "a b", "30001")


def test_only_named_environment_reaches_it(build: Build) -> None:
    environ = {"PATH": "/bin", "HOME": "/root", "SECRET": "x"}
    plan = build(isolation=Isolation.PROCESS, environ=environ, pass_env=("PATH", "HOME", "TZ"))
    assert set(last(plan).env) == {"PATH", "HOME", "TEN_DATA_DIR", "SOCKET_PATH", "PORT"}


@pytest.mark.parametrize("command", ["'open", "", "  "])
def test_a_command_that_cannot_be_split_is_refused(build: Build, command: str) -> None:
    with pytest.raises(SpecError) as caught:
        build(command=command)
    assert caught.value.key == "service.api.command"


def test_sandbox_is_refused_with_what_to_do(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FeatureMissing) as caught:
        build(isolation=Isolation.SANDBOX)
    assert caught.value.hint == "apt-get install runsc"


def test_a_sandbox_is_runsc_below_the_namespaces_view(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespace.userns, "has_capability", lambda _: True)
    found = Gvisor(path="/usr/bin/runsc", platform="ptrace")
    kept = build(workdir="/", env={"WORD": "secret"}, cgroup="/cg/api:alice").steps
    plan = build(
        workdir="/",
        env={"WORD": "secret"},
        cgroup="/cg/api:alice",
        isolation=Isolation.SANDBOX,
        gvisor=found,
    )
    files_of = ("mount", "hide", "mask", "dev", "readonly", "mkdir", "unlink")
    seen = [step for step in plan.steps if step.op in files_of]
    assert seen[:-1] == [step for step in kept if step.op in files_of]
    (bundle,) = (step for step in plan.steps if isinstance(step, steps.WriteFile))
    assert "WORD=secret" in bundle.text
    assert {"--platform=ptrace", "--network=host"} <= set(last(plan).argv)
    assert list(last(plan).env) == ["PATH"], "the program's environment is in the bundle only"
    assert not any(step.op in ("drop_caps", "no_new_privs", "user") for step in plan.steps)


def test_fill_leaves_what_it_does_not_know() -> None:
    assert fill("{id}{ id }{{id}}{x}", {"id": "a"}) == "a{ id }{a}{x}"


def test_only_the_outermost_paths_below_a_place_are_kept() -> None:
    paths = ["/tmp", "/tmp/a", "/tmp/a/b", "/tmp/ab", "/tmpx/c", "/var/d", "/tmp/z/y"]
    assert sight.outermost("/tmp", paths) == ("/tmp/a", "/tmp/ab", "/tmp/z/y")


def test_what_is_named_below_a_hidden_place_is_kept(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "COVERED", {str(tmp_path / "tmp"): (0o1777, "")})
    for name in ("tmp/env/bin/program", "tmp/lone", "tmp/dir/file", "data/run/log", "data/api/b/x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    plan = build(
        command=str(tmp_path / "tmp/env/bin/program"),
        args=(str(tmp_path / "tmp/lone"), str(tmp_path / "tmp/dir/file"), str(tmp_path / "tmp")),
        env={"LOG": str(tmp_path / "data/run/log"), "ABSENT": str(tmp_path / "tmp/absent")},
        workdir="/",
    )
    hidden = {step.path: step.keep for step in plan.steps if isinstance(step, steps.Hide)}
    assert hidden[str(tmp_path / "tmp")] == tuple(
        str(tmp_path / "tmp" / name) for name in ("dir", "env", "lone")
    )
    assert hidden[str(tmp_path / "data")] == (str(tmp_path / "data/api/alice"),)
