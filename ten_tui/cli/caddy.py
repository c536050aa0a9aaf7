"""`ten caddy`: a Caddyfile for those who run Caddy by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.caddyfile import caddyfile
from engine.core.errors import FeatureMissing, TenError

if TYPE_CHECKING:
    import argparse


def caddy(options: argparse.Namespace) -> int:
    """Print it, or write it to a file."""
    if options.install or options.systemd:
        message = "Caddy is not installed by this command"
        raise FeatureMissing(message, hint="write the file with -o, then: systemctl reload caddy")
    text = caddyfile(options.domain, options.port, dns_provider=options.dns_provider, services=())
    if not options.output:
        print(text, end="")
        return 0
    try:
        Path(options.output).write_text(text)
    except OSError as error:
        message = f"{options.output}: {error.strerror}"
        raise TenError(message) from error
    print(f"written: {options.output}")
    return 0
