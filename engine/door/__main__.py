"""`python -m engine.door`: one door worker by itself."""

import sys

from engine.door.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
