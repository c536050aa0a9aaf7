"""A real engine's incident as a file, and the console on that file once the engine is gone."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from ten_tui.app import TenApp
from ten_tui.client import bundle_file
from ten_tui.client.recording import Recording
from ten_tui.store.ui import Mode
from tests.e2e.engine_run import TENANT, EngineRun, wait_until

CONFIG = f"""
[service.api]
command = "{TENANT}"
isolation = "process"
health = "/health"

[service.api.env]
API_TOKEN = "hush-hush-1"
COLOUR = "blue"

[instances]
api = ["alice"]
"""


def ten(run: EngineRun, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "ten_tui.cli", *arguments],
        env=os.environ | {"TENEMENT_DATA_DIR": str(run.data_dir)},
        cwd=run.folder,
        capture_output=True,
        text=True,
        timeout=30,
    )


async def _looks(path: Path) -> None:
    """Open the file in the console, try to act, look back."""
    app = TenApp(Recording(bundle_file.read(path)).connect, theme_name="dusk")
    async with app.run_test(size=(160, 50)) as pilot:

        def text() -> str:
            strips = app.screen._compositor.render_strips()
            return "\n".join(strip.text for strip in strips)

        async def shows(part: str) -> None:
            for _ in range(500):
                if part in text():
                    return
                await pilot.pause(0.01)
            raise AssertionError(f"no {part!r} in\n{text()}")

        await shows("api:alice")
        await shows("recording of")
        await shows("  started")  # the log's line
        await pilot.press("r")
        await shows("a recording: nothing can be done in it")
        await pilot.press("d")
        assert app.ui.mode is Mode.NONE
        await pilot.press("[")
        await shows("memory ·")  # long before it ran there was nothing
        await pilot.press("escape")
        assert app.ui.timeline.is_now


async def test_an_incident_is_saved_and_replayed_without_its_engine(
    make_engine: Callable[[str], EngineRun],
) -> None:
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("api:alice", "healthy")
    wait_until(
        lambda: run.request("GET", "/api/instances/api:alice/metrics?name=cpu")[0] == 200, "kept"
    )
    wrong = ten(run, "bundle", "-o", "b.zip", "nope")
    assert (wrong.returncode, wrong.stderr) == (1, "Error: Unknown service: nope\n")
    saved = ten(run, "bundle", "-o", "b.zip", "--since", "10m", "api")
    assert saved.returncode == 0, saved.stderr
    assert "masked: " in saved.stdout
    run.end()

    path = run.folder / "b.zip"
    with zipfile.ZipFile(path) as archive:
        data = b"".join(archive.read(name) for name in archive.namelist())
    assert b"hush-hush-1" not in data
    assert b"blue" in data
    found = bundle_file.read(path)
    assert found.doctor is not None
    assert {each.instance for each in found.metrics} == {"host", "api:alice"}
    assert found.events
    plain = ten(run, "--replay", "b.zip")
    assert plain.returncode == 0, plain.stderr
    assert "api:alice" in plain.stdout
    assert "masked: " in plain.stderr
    refused = ten(run, "--replay", "b.zip", "ps")
    assert refused.stderr == "Error: --replay shows a file: it does not go with `ten ps`\n"
    path.write_bytes(path.read_bytes()[:-50])
    broken = ten(run, "--replay", "b.zip")
    assert broken.returncode == 1
    assert "is not a bundle, or it is damaged" in broken.stderr
    bundle_file.write(path, found)
    await _looks(path)
