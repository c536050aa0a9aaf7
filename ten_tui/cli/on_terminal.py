"""`ten` on the terminal that is its standard input, which becomes its controlling one.

Only so is it told of another size and of the end. Source: ioctl_tty(2), TIOCSCTTY.
"""

import fcntl
import sys
import termios

from ten_tui.cli import main

if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.exit(main())
