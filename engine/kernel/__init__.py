"""One thin typed module for each kernel interface."""
