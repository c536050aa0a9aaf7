"""The engine's client: where an engine is, and what can be asked of it.

Standard library and msgspec only, so that a plain command starts quickly.
"""

from ten_tui.client.client import Client, connect
from ten_tui.client.endpoint import Endpoint, find_config, find_engine

__all__ = ["Client", "Endpoint", "connect", "find_config", "find_engine"]
