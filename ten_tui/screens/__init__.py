"""Screens compose widgets."""
