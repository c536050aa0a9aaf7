"""What is configured and which instances are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from engine.core.errors import NotFound, Refused
from engine.core.names import is_label, split_instance
from engine.core.spec import VERSION_FIELDS
from engine.core.wire import State
from engine.daemon.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.core.spec import Config, ServiceSpec


class Registry:
    """The configuration in force and every known instance, by name.

    Attributes:
        is_stopping: Nothing may be started any more.
        recorded: What was recorded for versions at their deploy, by instance name.
    """

    def __init__(self, config: Config) -> None:
        """Begin with a configuration and no instance."""
        self.config = config
        self.is_stopping = False
        self.instances: dict[str, Instance] = {}
        self.recorded: dict[str, ServiceSpec] = {}

    def __iter__(self) -> Iterator[Instance]:
        """Go over all instances; changes meanwhile do no harm."""
        return iter(list(self.instances.values()))

    def sorted(self) -> list[Instance]:
        """List all instances by service, then id."""
        return sorted(self.instances.values(), key=lambda each: (each.service, each.id))

    def get(self, name: str) -> Instance:
        """Look one up.

        Raises:
            NotFound: Not known.
        """
        instance = self.instances.get(name)
        if instance is None:
            message = f"Unknown instance: {name}"
            raise NotFound(message, hint="ten ps lists those there are")
        return instance

    def spec_of(self, name: str) -> ServiceSpec:
        """Give the configured service of an instance name.

        Raises:
            Refused: The name is none.
            NotFound: Its service is not configured.
        """
        service, _ = split_instance(name)
        spec = self.config.services.get(service)
        if spec is None:
            message = f"Unknown process: {service}"
            raise NotFound(message, hint="ten config lists the services there are")
        return spec

    def ensure(self, name: str) -> Instance:
        """Give the instance of a name, known from now on.

        Raises:
            Refused: The name is none, or its service has as many instances as it may.
            NotFound: Its service is not configured.
        """
        spec = self.spec_of(name)
        known = self.instances.get(name)
        if known is None or known.life.state is State.STOPPED:
            self._check_room(spec)
        if known is None:
            known = self.instances[name] = Instance(name, self.own_spec(name, spec))
        return known

    def count(self, service: str) -> int:
        """Count the known instances of a service."""
        return sum(each.service == service for each in self.instances.values())

    def ports(self) -> set[int]:
        """Give the ports of the host that running instances have."""
        running = [each.process for each in self.instances.values() if each.process]
        return {each.blob.port for each in running if each.blob.port and not each.has_own_network}

    def configure(self, config: Config) -> None:
        """Put a configuration in force for what is known."""
        self.config = config
        for instance in self.instances.values():
            spec = config.services.get(instance.service)
            if spec is not None:
                instance.configure(self.own_spec(instance.name, spec))

    def own_spec(self, name: str, spec: ServiceSpec) -> ServiceSpec:
        """Give what an instance is to run on: its service's, with what its version has recorded."""
        recorded = self.recorded.get(name)
        if recorded is None:
            return spec
        return structs.replace(spec, **{key: getattr(recorded, key) for key in VERSION_FIELDS})

    def _check_room(self, spec: ServiceSpec) -> None:
        used = sum(
            each.service == spec.name and each.life.state is not State.STOPPED
            for each in self.instances.values()
        )
        if used >= spec.max_instances:
            message = f"{spec.name} has {used} instances, max_instances = {spec.max_instances}"
            raise Refused(message, hint=f"raise service.{spec.name}.max_instances, or stop one")


def is_instance(name: str) -> bool:
    """Tell whether a text has the form of an instance name."""
    service, colon, ident = name.partition(":")
    return bool(colon) and is_label(service) and is_label(ident)
