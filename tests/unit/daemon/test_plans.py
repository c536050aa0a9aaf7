from pathlib import Path

import msgspec

from engine.core.spec import ServiceSpec
from engine.daemon.plans import Plans
from engine.runtime.plan import Plan, build_plan


def plan(tmp_path: Path) -> Plan:
    spec = ServiceSpec(name="api", command="true", env={"TOKEN": "hunter2"}, workdir="/")
    return build_plan(spec, "x", port=1, data_dir=str(tmp_path), cgroup="", environ={}, pass_env=())


def test_the_plan_of_a_launch_comes_back_for_that_launch_only(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    made, plans = plan(tmp_path), Plans(tmp_path)
    plans.keep("api:x", 3, made)
    found = Plans(tmp_path).find("api:x", 3)
    assert found is not None
    assert [step[0] for step in found] == [step.op for step in made.steps]
    assert plans.find("api:x", 4) is None
    assert plans.find("api:y", 3) is None
    plans.forget("api:x")
    plans.forget("api:x")
    assert plans.find("api:x", 3) is None


def test_values_of_the_environment_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Plans(tmp_path).keep("api:x", 1, plan(tmp_path))
    file = tmp_path / "run/plans/api:x.json"
    assert b"hunter2" not in file.read_bytes()
    assert (tmp_path / "run/plans").stat().st_mode & 0o777 == 0o700
    steps = msgspec.json.decode(file.read_bytes())["steps"]
    assert "TOKEN" in steps[-1][3]


def test_a_torn_file_is_no_plan_and_a_full_disk_no_failure(tmp_path: Path) -> None:
    plans = Plans(tmp_path)
    plans.keep("api:x", 1, plan(tmp_path))  # there is no run folder
    assert plans.find("api:x", 1) is None
    (tmp_path / "run/plans").mkdir(parents=True)
    (tmp_path / "run/plans/api:x.json").write_text('{"generation": 1, "st')
    assert plans.find("api:x", 1) is None
