"""Fuzzing by coverage, run by hand: see each module."""
