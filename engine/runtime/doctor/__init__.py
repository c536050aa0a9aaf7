"""What this host can and cannot do: each check a small function, all of them in `examine`.

What can be tried cheaply and without leaving anything behind is tried, not guessed.
"""
