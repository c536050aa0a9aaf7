"""The engine is killed while a version is drained: at the end, and on a gate's way back."""

from collections.abc import Callable

from tests.e2e.engine_run import TENANT, EngineRun
from tests.e2e.test_rollouts import CONFIG, load, roll, wait_rollout, weights


def test_what_is_drained_when_the_engine_is_killed_is_stopped_all_the_same(
    make_engine: Callable[[str], EngineRun],
) -> None:
    # It hears no SIGTERM, so that its end takes all of its grace: long enough to be killed in.
    run = make_engine(CONFIG.replace(TENANT, f"{TENANT} --deaf"))
    run.start()
    assert run.request("POST", "/api/deploy", {"process": "api", "version": "v1"})[0] == 200
    with load(run, lambda: "/maybe") as asked:
        roll(run, "v2", "blue-green", pause=0, window=0)
        wait_rollout(run, "closing")
        run.kill_engine()
        assert wait_rollout(run, "done")["weights"] == {"api:v1": 0, "api:v2": 100}
        assert run.state("api:v1") == "stopped"
        assert asked.failed == 0
        roll(run, "v3", "canary", steps="50,100", pause="60s", min_requests=10)
        wait_rollout(run, "observing")
        (run.data_dir / "api" / "v3" / "spoilt").touch()
        wait_rollout(run, "rolling back")
        run.kill_engine()
        found = wait_rollout(run, "rolled back")
    assert "requests failed" in found["reason"]
    assert weights(run) == {"v1": 0, "v2": 100, "v3": 0}
    assert (run.state("api:v2"), run.state("api:v3")) == ("healthy", "stopped")
