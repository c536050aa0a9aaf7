"""What a configuration asks for and the host cannot give is refused at load."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.spec import Isolation
from engine.runtime import host
from engine.runtime.trial import PLACE, carry_out, try_out
from tests.kernel.harness import wait_for
from tests.poor import SWITCHED_OFF, USED_UP, require_poor
from tests.require import require_program, require_root

pytestmark = pytest.mark.kernel

CONFIG = """# two services
[service.api]
command = "true"
isolation = "namespace"

[service.web]
command = "true"
"""


def check(folder: Path, text: str, prefix: list[str]) -> subprocess.CompletedProcess[str]:
    path = folder / "tenement.toml"
    path.write_text(text)
    command = [sys.executable, "-P", "-m", "engine", "config", "--check", "--config", str(path)]
    return subprocess.run([*prefix, *command], capture_output=True, text=True)


def test_this_host_gives_what_is_asked(tmp_path: Path) -> None:
    assert check(tmp_path, CONFIG, []).returncode == 0


@pytest.mark.parametrize(
    ("prefix", "reason", "fix"),
    [
        (SWITCHED_OFF, "user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces"),
        (USED_UP, "No space left on device", "unshare(2)"),
    ],
    ids=["switched-off", "used-up"],
)
def test_namespaces_that_cannot_be_had_are_refused_in_their_place(
    tmp_path: Path, prefix: list[str], reason: str, fix: str
) -> None:
    require_poor()
    done = check(tmp_path, CONFIG, prefix)
    assert done.returncode == 1
    assert reason in done.stderr
    assert fix in done.stderr
    assert "line 4, column 13" in done.stderr
    assert "(so do web)" in done.stderr
    assert "in service.api.isolation" in done.stderr


@pytest.mark.parametrize("prefix", [SWITCHED_OFF, USED_UP], ids=["switched-off", "used-up"])
def test_a_poor_host_still_takes_what_it_can_give(tmp_path: Path, prefix: list[str]) -> None:
    require_poor()
    text = '[service.api]\ncommand = "true"\nisolation = "process"\n'
    done = check(tmp_path, text, prefix)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", [Isolation.PROCESS, Isolation.NAMESPACE])
def test_a_trial_carries_out_the_real_steps(kind: Isolation) -> None:
    trial = try_out(kind)
    assert trial.is_good, trial
    assert 0 < trial.seconds < 5


def test_a_trial_names_the_step_that_failed() -> None:
    require_poor()
    code = "import json; from engine.runtime.trial import *; print(carry_out(Isolation.NAMESPACE))"
    done = subprocess.run(
        [*USED_UP, sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert "step='unshare user,pid,mount,ipc,uts'" in done.stdout
    assert "errno=28" in done.stdout
    assert carry_out.__module__ == "engine.runtime.trial"


def test_lacks_that_are_no_refusal_become_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse_config(CONFIG, path="/t.toml")
    place = ("service", "api", "command")
    soft = host.Lack(place, "no such controller", "delegate it", is_refused=False)
    monkeypatch.setattr(host, "CHECKS", (lambda *_: iter([soft]),))
    assert host.admit(config).warnings == ("line 3: no such controller (delegate it)",)
    hard = host.Lack(place, "no such controller", "delegate it")
    monkeypatch.setattr(host, "CHECKS", (lambda *_: iter([soft, hard]),))
    with pytest.raises(SpecError) as refused:
        host.admit(config)
    assert (refused.value.line, refused.value.hint) == (3, "delegate it")


NO_NETWORKS = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    """echo 0 > /proc/sys/user/max_net_namespaces
    exec unshare --user --map-user=1000 --map-group=1000 "$@" """,
    "sh",
]
"""An ordinary user, and every namespace but those for networks."""


def test_networks_that_cannot_be_had_are_refused_in_their_place(tmp_path: Path) -> None:
    require_poor()
    text = CONFIG + 'network = "private"\n'
    assert check(tmp_path, text, []).returncode == 0
    done = check(tmp_path, text, NO_NETWORKS)
    assert done.returncode == 1
    assert "line 8, column 11" in done.stderr
    assert "No space left on device" in done.stderr
    assert "sysctl -w user.max_net_namespaces" in done.stderr
    assert check(tmp_path, CONFIG, NO_NETWORKS).returncode == 0


def test_the_freezer_that_cannot_be_had_is_refused_in_its_place(tmp_path: Path) -> None:
    require_root()
    require_program("unshare", "util-linux")
    text = '[service.api]\ncommand = "true"\nisolation = "process"\nfreeze_after = 5\n'
    assert check(tmp_path, text, []).returncode == 0
    hide = 'umount -l -R /sys/fs/cgroup && exec "$@"'
    done = check(tmp_path, text, ["unshare", "--mount", "sh", "-c", hide, "sh"])
    assert done.returncode == 1
    assert "freeze_after needs a cgroup v2 tree" in done.stderr
    assert "line 4, column 16" in done.stderr


def test_low_ports_of_the_host_are_refused_without_root(tmp_path: Path) -> None:
    require_poor()
    ordinary = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    text = CONFIG + 'capabilities = ["net_bind_service"]\n'
    assert check(tmp_path, text, []).returncode == (0 if os.geteuid() == 0 else 1)
    done = check(tmp_path, text, ordinary)
    assert done.returncode == 1
    assert "line 8, column 16" in done.stderr
    assert "does not reach the host's ports without root" in done.stderr
    assert check(tmp_path, text + 'network = "private"\n', ordinary).returncode == 0


@pytest.mark.parametrize(
    ("text", "line", "warning"),
    [
        (f'{CONFIG}workdir = "gone"\n', 8, "/gone' is not there, or not to be seen"),
        (f'{CONFIG}workdir = "tenement.toml"\n', 8, "/tenement.toml' is no directory"),
        ('[settings]\nadmin_group = "nobodies"\n', 2, "there is no group 'nobodies' on this host"),
    ],
)
def test_what_may_come_later_is_warned_about(
    tmp_path: Path, text: str, line: int, warning: str
) -> None:
    done = check(tmp_path, text, [])
    assert done.returncode == 0
    assert f"line {line}: " in done.stdout + done.stderr
    assert warning in done.stdout + done.stderr


SANDBOX = """[service.box]
command = "true"
isolation = "sandbox"
"""


def test_a_sandbox_without_runsc_is_refused_in_its_place(tmp_path: Path) -> None:
    done = check(tmp_path, SANDBOX, ["env", "PATH=/nowhere"])
    assert done.returncode == 1
    assert "line 3, column 13" in done.stderr
    assert "runsc, which is not installed" in done.stderr
    assert "apt-get install runsc" in done.stderr


def test_a_sandbox_on_a_host_that_cannot_run_it_is_refused(tmp_path: Path) -> None:
    require_root()
    (tmp_path / "bin").mkdir()
    runsc = tmp_path / "bin/runsc"
    runsc.write_text("#!/bin/sh\n[ $1 = --version ] && exit 0\necho no such luck >&2\nexit 128\n")
    runsc.chmod(0o755)
    done = check(tmp_path, SANDBOX, ["env", f"PATH={tmp_path}/bin:/usr/bin:/bin"])
    assert done.returncode == 1
    assert "gVisor runs on no platform here" in done.stderr
    assert "ptrace: it ended with 128: no such luck" in done.stderr


def test_a_sandbox_is_tried_at_load(tmp_path: Path) -> None:
    require_root()
    require_program("runsc")
    done = check(tmp_path, SANDBOX, [])
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["tenement.toml"], "nothing is written"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_try_that_is_ended_leaves_nothing(tmp_path: Path, number: int) -> None:
    require_root()
    hangs = tmp_path / "runsc"
    hangs.write_text("#!/bin/sh\necho begun > /dev/stderr\nexec sleep 1000\n")
    hangs.chmod(0o755)
    own = tmp_path / "own"
    own.mkdir()
    command = [sys.executable, "-P", "-m", "engine.runtime.platforms", str(hangs), "ptrace"]
    trial = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(own)})
    try:
        wait_for(lambda: any("1000" in each.cmdline() for each in below(trial.pid)))
        if number == signal.SIGKILL:
            for each in [psutil.Process(trial.pid), *below(trial.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()  # as systemd ends a service
        trial.send_signal(number)
        assert trial.wait(5) == (1 if number == signal.SIGTERM else -number)
    finally:
        trial.kill()
        trial.wait()
    assert list(own.iterdir()) == []
    assert list(Path(PLACE).glob("ten-trial-*")) == []


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_a_hard_quota_needs_the_filter_that_keeps_a_program_in_it() -> None:
    text = '[service.api]\ncommand = "x"\nstorage_quota_mb = 1\nstorage_action = "hard"\n'
    for more, is_free in (("", False), ('hardening = "off"\n', True)):
        lacks = host.check(parse_config(text + more, path="/t/tenement.toml"), is_tried=False)
        said = [each for each in lacks if "filter of system calls" in each.reason]
        assert bool(said) is is_free
        assert all(each.is_refused for each in said)
        assert all(each.place == ("service", "api", "storage_action") for each in said)


def test_a_way_to_do_without_is_not_offered_to_whom_has_taken_it(tmp_path: Path) -> None:
    text = CONFIG + 'storage_action = "hard"\nstorage_quota_mb = 1\n'
    offered = "settings.require_limits = false"
    refused = check(tmp_path, text, [])
    assert (refused.returncode, offered in refused.stderr) == (1, True)
    taken = check(tmp_path, f"{text}[settings]\nrequire_limits = false\n", [])
    assert (taken.returncode, offered in taken.stderr + taken.stdout) == (0, False)
    assert 'storage_action = "hard" cannot be kept here' in taken.stderr + taken.stdout
