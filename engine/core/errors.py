"""Errors of the project: each says what happened and, where it can, what to do."""

from __future__ import annotations


class TenError(Exception):
    """Root of the errors a user may see.

    Attributes:
        hint: What the user can do about it, or "" where nothing helps.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the advice apart, so that a screen can show both."""
        super().__init__(message)
        self.hint = hint


class SpecError(TenError):
    """The configuration is refused.

    Attributes:
        path: The file, as the user named it.
        key: Dotted key the error is about, or "".
        line: 1-based line, or 0 where unknown.
        column: 1-based column, or 0 where unknown.
        excerpt: The offending line, or "".
        width: How many characters of it are meant, from the column on.
        verb: What failed: to "parse" or to "read" the file.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        key: str = "",
        line: int = 0,
        column: int = 0,
        excerpt: str = "",
        width: int = 1,
        verb: str = "parse",
        hint: str = "",
    ) -> None:
        """Keep the place of the error apart from its text."""
        super().__init__(message, hint=hint)
        self.path = path
        self.key = key
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.width = width
        self.verb = verb


class NotFound(TenError):  # noqa: N818 - named by situation, as in trio and anyio
    """A service or an instance of that name is not known."""


class Refused(TenError):  # noqa: N818 - named by situation
    """The request is understood and refused: a bound, a state or a permission is in the way."""


class LaunchFailed(TenError):  # noqa: N818 - named by situation
    """A step of the launch failed.

    Attributes:
        step: The step as the plan prints it, for example "mount proc on /proc".
        errno: The kernel's error number, 0 where none was given.
        path: The path the step was about, or "".
    """

    def __init__(self, message: str, *, step: str, errno: int, path: str, hint: str = "") -> None:
        """Keep the failed step apart, for the why card."""
        super().__init__(message, hint=hint)
        self.step = step
        self.errno = errno
        self.path = path


class FeatureMissing(TenError):  # noqa: N818 - named by situation
    """The host lacks what the configuration asks for."""


class EngineUnreachable(TenError):  # noqa: N818 - named by situation
    """No engine answers where one was looked for."""
