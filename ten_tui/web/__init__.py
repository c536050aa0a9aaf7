"""The console in a browser: a page by textual-serve, a terminal for each tab."""
