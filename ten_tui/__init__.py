"""The `ten` command and its console: clients of the engine's API."""
