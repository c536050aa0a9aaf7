"""The engine: keeper, daemon and door behind the `ten` command."""

__version__ = "0.1.0"
