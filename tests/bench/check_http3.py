"""HTTP/3 by a client that is not Caddy's: aioquic, through a real `ten serve --tls`.

Debian's curl cannot speak it. `pip install aioquic==1.7.2` goes into an environment of its own
under .cache/http3. The certificate is checked against the CA of Caddy's own, as `internal = true`
makes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.runtime import caddy
from tests.e2e.door_rig import ROOT
from tests.e2e.engine_run import EngineRun
from tests.e2e.test_tls import Tls, config

AIOQUIC = "aioquic==1.7.2"
HOST = "a.web.localhost"
STATUSES = {"/error": 500}
PATHS = ["/"] * 40 + ["/env", *STATUSES]


def main() -> int:
    """Ask; 1 where an answer is another than is due, 2 where something is missing."""
    python = install()
    reason, fix = caddy.why_missing()
    if python is None or reason:
        print(f"{reason}; {fix}" if reason else f"{AIOQUIC} cannot be installed")
        return 2
    with tempfile.TemporaryDirectory() as name:
        run = EngineRun(Path(name), config("internal = true"))
        try:
            tls = Tls(run)
            tls.start()
            tls.get(HOST)  # makes the certificate, and the CA that signs it
            answers = ask(python, tls)
        finally:
            run.end()
    wrong = [answer for answer in answers if answer["status"] != STATUSES.get(answer["path"], 200)]
    print(f"{len(answers)} requests at once on one HTTP/3 connection, {len(wrong)} wrong: {wrong}")
    return 1 if wrong or len(answers) != len(PATHS) else 0


def ask(python: Path, tls: Tls) -> list[dict[str, Any]]:
    """Run the client."""
    root = tls.run.data_dir / "acme" / "pki" / "authorities" / "local" / "root.crt"
    client = Path(__file__).with_name("http3_client.py")
    command = [str(python), str(client), str(tls.https), HOST, str(root), *PATHS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def install() -> Path | None:
    """Give a Python that has aioquic; make its environment where that is possible."""
    folder = ROOT / ".cache" / "http3"
    python = folder / "bin" / "python"
    if not list(folder.glob("lib/*/site-packages/aioquic")):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        if subprocess.run([*pip, AIOQUIC], check=False).returncode:
            return None
    return python


if __name__ == "__main__":
    sys.exit(main())
