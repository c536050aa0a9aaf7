"""What `ten serve` settles about TLS before anything runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.caddy import FrontOptions
from engine.core.config_tls import is_email
from engine.core.errors import FeatureMissing, Refused
from engine.runtime import caddy
from engine.runtime.rundir import FRONT_UID

if TYPE_CHECKING:
    from engine.core.spec import Config


def settle(config: Config, *, domain: str, bind: str, email: str, is_staging: bool) -> FrontOptions:
    """Check that HTTPS can be served.

    Raises:
        FeatureMissing: There is no Caddy that will do.
        Refused: The domain, the address or the file does not go with TLS.
    """
    reason, fix = caddy.why_missing()
    if reason:
        raise FeatureMissing(f"TLS cannot be served: {reason}", hint=fix)
    tls = config.settings.tls
    if email and not is_email(email):
        raise Refused(f"--email: {email!r} is no mail address")
    is_local = domain == "localhost" or domain.endswith(".localhost") or "." not in domain
    if tls.is_public and is_local:
        text = f"no public CA signs for {domain}"
        hint = "name the domain with -d, or set settings.tls.internal = true"
        raise Refused(text, hint=hint)
    if config.settings.proxy_protocol:
        text = "settings.proxy_protocol does not go with TLS: Caddy does not speak it to the doors"
        raise Refused(text)
    return FrontOptions(
        caddy=caddy.find(),
        uid=FRONT_UID if os.geteuid() == 0 else os.geteuid(),
        https_port=tls.https_port,
        http_port=tls.http_port,
        bind=bind,
        email=email,
        staging=is_staging,
    )
