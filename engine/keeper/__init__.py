"""The small parent that never restarts. Standard library and engine.kernel.syscalls only."""
