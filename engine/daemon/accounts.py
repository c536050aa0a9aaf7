"""Which uid belongs to which instance: one each, for as long as anything of it may be left."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing
from engine.core.names import split_instance

if TYPE_CHECKING:
    from pathlib import Path

    from engine.daemon.registry import Registry
    from engine.daemon.store import Store


class Accounts:
    """Gives uids out of the configured range, and keeps who has which.

    A uid is given again only where its instance is forgotten and its folder gone, and only once
    all others were given: what it owned elsewhere shall not find a new owner soon.
    """

    def __init__(self, store: Store, registry: Registry, data_dir: Path) -> None:
        """Take where they are kept, and what tells whether one is still in use."""
        self._store = store
        self._registry = registry
        self._data_dir = data_dir

    def uid_of(self, name: str) -> int:
        """Give the uid of an instance, a new one where it has none in the range.

        Raises:
            FeatureMissing: The range is used up.
            StoreError: It cannot be kept.
        """
        first, last = self._registry.config.settings.user_range
        uids = self._store.uids()
        if first <= (uid := uids.get(name, -1)) <= last:
            return uid
        taken = set(uids.values())
        uid = self._owner(name)
        if uid in taken or not first <= uid <= last:
            after = max((each for each in taken if first <= each <= last), default=first - 1) + 1
            free = chain(range(after, last + 1), range(first, after))
            uid = next((each for each in free if each not in taken), -1)
        if uid < 0:
            uid = self._take_back(uids, range(first, last + 1))
        self._store.save_uid(name, uid)
        return uid

    def known_uid(self, name: str) -> int:
        """Give the uid an instance has; without one the first of the range, which it may get."""
        return self._store.uids().get(name, self._registry.config.settings.user_range[0])

    def _folder(self, name: str) -> Path:
        service, ident = split_instance(name)
        return self._data_dir / service / ident

    def _owner(self, name: str) -> int:
        """Give the owner of an instance's folder: a machine's crash may have lost the last rows."""
        try:
            return self._folder(name).lstat().st_uid
        except OSError:
            return -1

    def _take_back(self, uids: dict[str, int], within: range) -> int:
        for name, uid in uids.items():
            is_known = name in self._registry.instances
            if uid in within and not is_known and self._owner(name) < 0:
                self._store.forget_uid(name)
                return uid
        message = f"all uids of user_range, {within[0]} to {within[-1]}, belong to instances"
        raise FeatureMissing(message, hint="widen user_range in [settings]")
