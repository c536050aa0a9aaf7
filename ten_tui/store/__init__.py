"""View state: pure functions of updates and keys, without a terminal."""
