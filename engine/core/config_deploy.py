"""`[service.NAME.deploy]`: how versions of a service are rolled out where nothing else is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.rollout_plan import READERS, BadPlan, Plan, with_values

if TYPE_CHECKING:
    from engine.core.config_table import Table


def read_deploy(service: Table) -> Plan:
    """Read it.

    Raises:
        SpecError: A value is none.
    """
    table = service.table("deploy")
    plan = Plan()
    for key in READERS:
        if key in table:
            try:
                plan = with_values(plan, {key: table.raw(key)})
            except BadPlan as error:
                table.fail(key, str(error))
        table.ignore(key)
    table.finish()
    return plan
