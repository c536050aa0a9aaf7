"""The `ten` command. Modules are imported when a command needs them: most answer in an instant."""

from ten_tui.cli.main import main

__all__ = ["main"]
