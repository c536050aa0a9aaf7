"""Run a command below a filter of system calls: `confined.py FILTER COMMAND...`, FILTER in hex."""

import os
import sys

from engine.kernel import syscalls

if __name__ == "__main__":
    syscalls.load_filter("", sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
