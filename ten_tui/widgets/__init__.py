"""Widgets draw and nothing else."""
