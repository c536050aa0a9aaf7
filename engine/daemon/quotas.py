"""Hard quotas of instances' folders: set at a launch, and whenever a folder is looked at."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing
from engine.core.spec import StorageAction
from engine.kernel import project_quota
from engine.runtime.quotas import why_none

if TYPE_CHECKING:
    from engine.core.spec import ServiceSpec

_MIB = 2**20


def keep_quota(spec: ServiceSpec, folder: str, *, is_required: bool) -> None:
    """Give a folder the limit its service asks for, or take away one that it asks for no more.

    Takes a walk of the folder the first time; for a worker thread.

    Args:
        spec: Of its service.
        folder: The instance's own.
        is_required: False where `settings.require_limits` lets it run without.

    Raises:
        FeatureMissing: The file system keeps no quotas.
    """
    if spec.storage_action is not StorageAction.HARD or not spec.storage_quota_mb:
        lift_quota(folder)
        return
    try:
        project_quota.hold(folder, spec.storage_quota_mb * _MIB)
    except OSError as error:
        reason, fix = why_none(folder)
        reason = reason or os.strerror(error.errno or 0)
        if not is_required:
            return  # said when the configuration was read
        message = f'storage_action = "hard" cannot be kept here: {reason}'
        raise FeatureMissing(message, hint=fix) from error


def lift_quota(folder: str) -> None:
    """Let a folder hold what it likes; one without a quota is left as it is."""
    with contextlib.suppress(OSError):
        project_quota.release(folder)
