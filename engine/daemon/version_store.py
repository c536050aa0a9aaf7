"""Rollouts and the records of versions, in the engine's database.

One row a service for each: a rollout is written whole before anything acts on it, and a row is
either the one before or the one after.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from engine.core.rollout import Rollout
from engine.core.spec import ServiceSpec  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from engine.daemon.store import Store

log = logging.getLogger(__name__)

MAX_VERSIONS = 20
"""Records kept of a service; the oldest go first, but none of an instance that is in use."""


class Record(msgspec.Struct, frozen=True):
    """What a version was deployed with.

    Attributes:
        at: When, seconds since the epoch.
    """

    at: float
    spec: ServiceSpec


_rollout = msgspec.json.Decoder(Rollout)
_records = msgspec.json.Decoder(dict[str, Record])


class VersionStore:
    """Rows of the table `kv`."""

    def __init__(self, store: Store) -> None:
        """Take the database."""
        self._store = store

    def rollouts(self, services: Iterable[str]) -> dict[str, Rollout]:
        """Give the last rollout of each service that had one."""
        found = {}
        for service in services:
            text = self._store.get(f"rollout {service}")
            if text:
                try:
                    found[service] = _rollout.decode(text)
                except msgspec.DecodeError as error:
                    log.error("the rollout of %s is of another version: %s", service, error)
        return found

    def save_rollout(self, rollout: Rollout) -> None:
        """Write it.

        Raises:
            StoreError: It is not written; the one before is still there.
        """
        self._store.put(f"rollout {rollout.service}", msgspec.json.encode(rollout).decode())

    def records(self, service: str) -> dict[str, Record]:
        """Give what was recorded, by the ids of a service."""
        text = self._store.get(f"versions {service}")
        if not text:
            return {}
        try:
            return _records.decode(text)
        except msgspec.DecodeError as error:
            log.error("the versions of %s are of another version: %s", service, error)
            return {}

    def record(
        self, service: str, new: dict[str, Record], in_use: Collection[str]
    ) -> dict[str, Record]:
        """Add records, all or none, and give what is recorded then.

        Args:
            service: Whose.
            new: By id.
            in_use: Ids whose records are not to go.

        Raises:
            StoreError: Nothing is written.
        """
        known = self.records(service) | new
        kept = {*new, *in_use}
        by_age = sorted((ident for ident in known if ident not in kept), key=lambda i: known[i].at)
        for ident in by_age[: max(0, len(known) - MAX_VERSIONS)]:
            del known[ident]
        self._store.put(f"versions {service}", msgspec.json.encode(known).decode())
        return known
