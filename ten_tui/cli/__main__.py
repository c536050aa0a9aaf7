"""`python -m ten_tui.cli`: the same as `ten`."""

import sys

from ten_tui.cli.main import main

sys.exit(main())
