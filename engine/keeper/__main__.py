"""`python -P -m engine.keeper`: holds a data directory and everything that runs in it.

Options come as pairs of name and value. What can fail before anything runs is done first, by
`engine.runtime.rundir` in this process; it then executes this again with `--fds`.
"""

import gc
import os
import sys

from engine.keeper.files import Files
from engine.keeper.keeper import Keeper
from engine.kernel import syscalls


def main() -> None:
    """Serve; then end what is left and clean up, as another program in this same process."""
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    python = [sys.executable, "-P", "-m"]
    if "--fds" not in options:
        os.execv(python[0], [*python, "engine.runtime.rundir", *sys.argv[1:]])  # noqa: S606
    syscalls.set_name("ten-keeper")
    syscalls.set_child_subreaper()
    files = Files(os.path.join(options["--data-dir"], "run"))
    keeper = Keeper(options, files)
    gc.freeze()  # collections leave the pages alone that forked processes share
    keeper.run()
    os.execv(python[0], [*python, "engine.runtime.ending", files.path])  # noqa: S606


main()
