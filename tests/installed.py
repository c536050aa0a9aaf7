"""Programs from the package index that cannot share our environment: each has one of its own."""

import subprocess
import sys
from pathlib import Path

from tests.require import require

REQUIREMENTS = {"peer": "tenement==0.2.2", "checker": "cepheus-engine==1.1.1"}
"""By the name of the environment, below `.cache`, in which they are installed."""

_CACHE = Path(__file__).parents[1] / ".cache"


def installed(name: str, fix: str = "see that pip finds it") -> Path:
    """Give the folder of its programs; it is installed at the first time.

    Args:
        name: One of REQUIREMENTS.
        fix: What to do where it cannot be installed.
    """
    requirement = REQUIREMENTS[name]
    folder = _CACHE / name
    done = folder / ".installed"
    if not done.exists():
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True
        )
        pip = [folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        ran = subprocess.run([*pip, "install", requirement], capture_output=True, text=True)
        reason = (ran.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        require(ran.returncode == 0, f"{requirement} cannot be installed: {reason}", fix)
        done.touch()
    return folder / "bin"
