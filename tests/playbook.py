"""Conversations with the lifecycle: `>>` what happens, `<<` what is commanded."""

from __future__ import annotations

from typing import Self

from engine.core.lifecycle import Command, Life, LifeEvent, Policy, State, step


class Playbook:
    """Plays events against a life and compares the commands.

    An event's commands must be stated by the next `<<` (nothing stated: no commands), and
    `done()` must be called last, so that no answer goes unread.
    """

    def __init__(self, life: Life | None = None, *, now: float = 100.0, **policy: object) -> None:
        self.policy = Policy(**policy)  # type: ignore[arg-type]
        self.life = life or Life(name="api:alice")
        self.now = now
        self._unread: tuple[Command, ...] = ()
        self._trail: list[str] = []

    def __rshift__(self, event: LifeEvent) -> Self:
        self._read_all()
        before = self.life
        self.life, self._unread = step(self.life, event, self.now, self.policy)
        self._trail.append(f"{before.state} >> {event} << {self._unread} -> {self.life.state}")
        return self

    def __lshift__(self, commands: Command | tuple[Command, ...]) -> Self:
        expected = commands if isinstance(commands, tuple) else (commands,)
        assert self._unread == expected, "\n".join(self._trail)
        self._unread = ()
        return self

    def at(self, now: float) -> Self:
        """Let it be that time, in seconds after the start at 100."""
        self.now = 100.0 + now
        return self

    def skim(self) -> Self:
        """Leave the commands unread: another test states them."""
        self._unread = ()
        return self

    def done(self, state: State) -> Life:
        """End in that state with nothing unread."""
        self._read_all()
        assert self.life.state is state, "\n".join(self._trail)
        return self.life

    def _read_all(self) -> None:
        assert self._unread == (), "unread: " + "\n".join(self._trail)
