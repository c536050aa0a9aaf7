"""Versions: what each was deployed with, so that it is started with that ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.errors import NotFound, Refused
from engine.core.names import is_label
from engine.core.reload import spec_digest
from engine.daemon.clock import wall
from engine.daemon.version_store import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.spec import ServiceSpec
    from engine.daemon.instance import Instance
    from engine.daemon.registry import Registry
    from engine.daemon.version_store import VersionStore


class Versions:
    """Keeps `Registry.recorded` and the database alike."""

    def __init__(self, registry: Registry, store: VersionStore) -> None:
        """Take what instances run on, and where it is kept."""
        self._registry = registry
        self._store = store

    def load(self) -> None:
        """Take up what was recorded; before instances are."""
        for service in self._registry.config.services:
            for ident, record in self._store.records(service).items():
                self._registry.recorded[f"{service}:{ident}"] = record.spec

    def record_current(self, service: str, ident: str) -> None:
        """Record the service as it is configured now for a version that is being deployed.

        Raises:
            Refused: It runs with another configuration, which was recorded for it.
            StoreError: It cannot be written.
        """
        name = f"{service}:{ident}"
        spec = self._registry.config.services.get(service)
        if spec is None or not is_label(ident):
            return  # whoever starts it says so
        known = self._registry.instances.get(name)
        if known is not None and known.process is not None:
            if name not in self._registry.recorded:
                self.record(service, [ident])
            elif spec_digest(spec) != known.wanted_digest:
                message = f"{name} runs with the configuration recorded at its deploy, not today's"
                hint = f"deploy under another name, or ten stop {name} first"
                raise Refused(message, hint=hint)
            return
        self.record(service, [ident], is_new=True)

    def record(self, service: str, idents: Iterable[str], *, is_new: bool = False) -> None:
        """Record what ids run on: today's configuration, or what they have.

        Args:
            service: Whose.
            idents: Ids of it.
            is_new: The configuration of now, also where something was recorded before.

        Raises:
            NotFound: The service is not configured.
            StoreError: Nothing is recorded.
        """
        config = self._registry.config.services.get(service)
        if config is None:
            message = f"Unknown process: {service}"
            raise NotFound(message, hint="ten config lists the services there are")
        new = {}
        for ident in idents:
            name = f"{service}:{ident}"
            known = self._registry.instances.get(name)
            if is_new or known is None:
                new[ident] = Record(wall(), config)
            elif name not in self._registry.recorded:
                new[ident] = Record(wall(), known.spec)
        self._keep(config, new)

    def record_like(self, instance: Instance, ident: str) -> None:
        """Record for an id what an instance runs on, where that or its own was recorded.

        Raises:
            StoreError: Nothing is recorded.
        """
        recorded, name = self._registry.recorded, f"{instance.service}:{ident}"
        like = recorded.get(instance.name)
        config = self._registry.config.services.get(instance.service)
        if config is not None and recorded.get(name) != like:
            self._keep(config, {ident: Record(wall(), like or config)})

    def _keep(self, config: ServiceSpec, new: dict[str, Record]) -> None:
        service = config.name
        in_use = {each.id for each in self._registry if each.service == service and each.process}
        kept = self._store.record(service, new, in_use)
        recorded = self._registry.recorded
        for name in [name for name in recorded if name.partition(":")[0] == service]:
            del recorded[name]
        for ident, record in kept.items():
            name = f"{service}:{ident}"
            recorded[name] = record.spec
            known = self._registry.instances.get(name)
            if known is not None:
                known.configure(self._registry.own_spec(name, config))
