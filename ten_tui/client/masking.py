"""Secrets taken out of what leaves the host: by the names they are kept under, and by their form.

Nobody can tell every secret from plain text. What is masked is what is kept under a name that
looks secret, passwords in addresses, and options such as --token; each value found so is masked
wherever else it stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

if TYPE_CHECKING:
    from engine.core.wire import ConfigView, Event, InstanceView, ServiceView, Snapshot

MASK = "(masked)"
LEAST_CHARACTERS = 4
"""A shorter value is masked where it is kept, not wherever its letters stand."""

_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secrets?|tokens?|credentials?|auth|cookie|dsn|salt|key|private"
)
_NAME = re.compile(rf"(?:^|[^a-z])(?:api|access)?(?:{_WORDS})(?:$|[^a-z])", re.IGNORECASE)
_IN_NAME = re.compile(r"password|passwd|secret|token|credential|apikey", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?P<before>[a-z][a-z0-9+.-]*://[^\s/:@]*:)(?P<secret>[^\s/]+)(?=@)", re.IGNORECASE
)
_OPTION = re.compile(
    rf"(?P<before>(?<![\w-])--?(?:[\w-]*[-_])?(?:{_WORDS})(?:=|\s+))(?P<secret>[^\s'\"]+)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"#.*$", re.MULTILINE)
_IN_COMMENT = re.compile(r"([\w.-]+)\s*[=:]\s*\S.*")


def is_secret_name(name: str) -> bool:
    """Tell whether what is kept under a name is taken for a secret."""
    return bool(_NAME.search(name) or _IN_NAME.search(name))


class Masker:
    """Masks texts; it knows the secrets of the configurations it has masked."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._secrets: set[str] = set()

    def config_text(self, text: str) -> str | None:
        """Mask a configuration with its comments; None where it is no TOML, so nobody can tell."""
        try:
            document = tomlkit.parse(text)
        except (TOMLKitError, RecursionError):
            return None
        self._walk(document, is_secret=False)
        return _COMMENT.sub(lambda found: _comment(found[0]), self.text(tomlkit.dumps(document)))

    def _walk(self, container: object, *, is_secret: bool) -> None:
        if isinstance(container, dict):
            pairs = [(key, value, is_secret_name(str(key))) for key, value in container.items()]
        elif isinstance(container, list):
            pairs = [(place, value, False) for place, value in enumerate(container)]
        else:
            return
        for key, value, is_named in pairs:
            if isinstance(value, dict | list):
                self._walk(value, is_secret=is_secret or is_named)
            elif (is_secret or is_named) and not isinstance(value, bool):
                self._note(str(value))
                container[key] = MASK
            elif isinstance(value, str):
                masked = self._by_form(value)
                if masked != value:
                    container[key] = masked

    def _note(self, secret: str) -> None:
        if len(secret) >= LEAST_CHARACTERS and secret != MASK:
            self._secrets.add(secret)

    def text(self, text: str) -> str:
        """Mask what is known and what has the form of a secret."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return self._by_form(text)

    def _by_form(self, text: str) -> str:
        if "://" in text:
            text = _ADDRESS.sub(rf"\g<before>{MASK}", text)
        return _OPTION.sub(rf"\g<before>{MASK}", text) if "-" in text else text

    # --- records ---

    def config(self, view: ConfigView) -> ConfigView:
        """Mask a configuration; without its diff, which cannot be read as TOML."""
        text, pending = self.config_text(view.text), self.config_text(view.pending)
        return msgspec.structs.replace(
            view,
            text="" if text is None else text,
            pending="" if pending is None else pending,
            error=self.text(view.error),
            diff="",
            warnings=tuple(map(self.text, view.warnings)),
        )

    def event(self, event: Event) -> Event:
        """Mask an event."""
        return msgspec.structs.replace(
            event, text=self.text(event.text), command=self.text(event.command)
        )

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Mask a whole state; its configuration first, so that its secrets are known."""
        config = self.config(snapshot.config)
        return msgspec.structs.replace(
            snapshot,
            config=config,
            services=[self._service(each) for each in snapshot.services],
            instances=[self._instance(each) for each in snapshot.instances],
            events=[self.event(each) for each in snapshot.events],
            consoles=(),
        )

    def _service(self, service: ServiceView) -> ServiceView:
        return msgspec.structs.replace(service, command=self.text(service.command))

    def _instance(self, one: InstanceView) -> InstanceView:
        if one.why is None:
            return one
        why = msgspec.structs.replace(
            one.why,
            summary=self.text(one.why.summary),
            stderr_tail=tuple(map(self.text, one.why.stderr_tail)),
        )
        return msgspec.structs.replace(one, why=why)


def _comment(text: str) -> str:
    def masked(found: re.Match[str]) -> str:
        return f"{found[1]} = {MASK}" if is_secret_name(found[1]) else found[0]

    return _IN_COMMENT.sub(masked, text)
