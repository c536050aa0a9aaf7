"""Programs run inside an instance, to try what it should not be able to do."""
