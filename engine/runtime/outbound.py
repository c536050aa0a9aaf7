"""Makes the ways out of instances, and takes down what they need of the host.

A way is a network namespace with a pair of interfaces, which go with the last process in it. What
stays is one table of the packet filter, and the interfaces by which the host passes packets on;
where it did not before, their names are in a file of the run folder, nothing else is let through
them, and they are closed again in the end. Everything may be done twice: whoever is killed in the
middle, the next engine goes on from what it finds.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import FeatureMissing, TenError
from engine.core.network import Way
from engine.core.outbound import PREFIX, Outbound, choose, ruleset
from engine.kernel import nftables, syscalls, userns, veth
from engine.kernel.syscalls.process import boot_id, write_whole
from engine.runtime.resolver import RESOLV_CONF, resolv_conf, resolvers
from engine.runtime.rundir import FORWARDED
from engine.runtime.trial import Trial, run_trial

if TYPE_CHECKING:
    from pathlib import Path

_ANYWHERE = "198.51.100.1"
"""An address that is nobody's, reached by the default route. Source: RFC 5737."""

RESOLV = "resolv.conf"
"""A file of the run folder."""


class Outlet:
    """What all ways of one engine share."""

    def __init__(self, run_dir: Path, group: str) -> None:
        """Take the run folder, and the name of the cgroup that holds the instances."""
        self._run_dir = run_dir
        self._group = group
        self._loaded = ""

    def open(self, outbound: Outbound) -> tuple[Way, int]:
        """Make a way; it is there as long as its descriptor or a process in it.

        Raises:
            TenError: The range is used up, or the packet filter cannot be had.
            OSError: The kernel refuses.
        """
        self.refresh(outbound)
        names, taken = veth.interfaces(), veth.addresses()
        link = choose(self._group, outbound.range, names, taken)
        if link is None:
            message = f"all addresses of outbound_range {outbound.range} are taken"
            raise FeatureMissing(message, hint="widen outbound_range in [settings]")
        resolv_path = self._write_resolv(outbound)
        netns = veth.open_network(link)  # the last that may fail: nobody else would close it
        return Way(f"/proc/{os.getpid()}/fd/{netns}", resolv_path), netns

    def refresh(self, outbound: Outbound) -> None:
        """See that the host passes on what instances send, and nothing else for their sake.

        Raises:
            TenError: The packet filter cannot be had.
            OSError: The kernel refuses.
        """
        ways = self._find_uplinks(outbound)
        before = self._guarded()
        guarded = (
            set()
            if veth.is_router()
            else before | {name for name in ways if not veth.passes_on(name)}
        )
        if guarded != before or not self._file.exists():
            noted = {"boot": boot_id(), "names": sorted(guarded)}
            write_whole(str(self._file), json.dumps(noted))
        rules = ruleset(self._group, outbound, resolvers(outbound), sorted(guarded))
        # Only now may packets come through: the guard is there before there is what to guard.
        if rules != self._loaded or not nftables.has_table(self._group):
            nftables.load(rules)
            self._loaded = rules
        for name in ways:
            if not veth.passes_on(name):
                veth.pass_on(name, is_on=True)

    def is_up(self) -> bool:
        """Tell whether there is something to be taken down."""
        return self._file.exists()

    def take_down(self) -> None:
        """Leave the host as it was found. What cannot be done is left for the next time.

        Raises:
            TenError: The packet filter cannot be changed.
            OSError: The kernel refuses.
        """
        if not self.is_up():
            return
        if not veth.is_router():
            for name in self._guarded():
                veth.pass_on(name, is_on=False)
        nftables.remove_table(self._group)
        self._loaded = ""
        self._file.unlink()

    @property
    def _file(self) -> Path:
        return self._run_dir / FORWARDED

    def _guarded(self) -> set[str]:
        """Name what was opened for our sake; a boot has closed all that was before it."""
        try:
            found = json.loads(self._file.read_text())
            is_true = found["boot"] == boot_id()
            return {str(each) for each in found["names"]} if is_true else set()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return set()

    def _find_uplinks(self, outbound: Outbound) -> set[str]:
        networks = (str(IPv4Network(each).network_address) for each in outbound.allow)
        found = veth.uplinks([_ANYWHERE, *networks, *resolvers(outbound)])
        return {name for name in found if not name.startswith(PREFIX)}

    def _write_resolv(self, outbound: Outbound) -> str:
        """Write the file instances see as the host's; one that is seen now stays as it is."""
        if not RESOLV_CONF.exists():
            return ""
        path, text = self._run_dir / RESOLV, resolv_conf(resolvers(outbound))
        with suppress(OSError):
            if path.read_text() == text:
                return str(path)
        new = path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o644)
        new.rename(path)
        return str(path)


def why_no_outbound(*, is_tried: bool = True) -> tuple[str, str]:
    """Say why a way out cannot be had, and what helps; ("", "") where it can."""
    if not (userns.has_capability("net_admin") and userns.has_capability("sys_admin")):
        return "needs an engine that runs as root", 'run ten serve as root, or use "private"'
    if not nftables.find():
        return "needs the nft program", "apt-get install nftables"
    trial = run_trial("engine.runtime.outbound") if is_tried else Trial()
    return (f"{trial.step}: {trial.reason}", trial.fix) if trial.reason else ("", "")


def overlapping(range_: str) -> list[str]:
    """Name what of this host's network lies in the range and is no engine's."""
    network, found = IPv4Network(range_), []
    for text, name in {**veth.routes(), **veth.addresses()}.items():
        other = IPv4Network(text, strict=False)
        if other.overlaps(network) and not name.startswith(PREFIX):
            found.append(f"{text} of {name}")
    return found


def carry_out() -> Trial:
    """Make a way in a network namespace of this process's own, which stands for the host."""
    step = "unshare net"
    try:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        step = "make a pair of interfaces"
        link = choose("ten-0", Outbound().range, (), ())
        assert link is not None  # noqa: S101 - the range is empty
        os.close(veth.open_network(link))
        step = "load the packet filter"
        nftables.load(ruleset("ten-0", Outbound(), (), ()))
    except TenError as error:
        return Trial(step=step, reason=str(error), fix=error.hint)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return Trial(step=step, reason=reason, errno=error.errno or errno.EIO)
    return Trial()


if __name__ == "__main__":
    json.dump(msgspec.to_builtins(carry_out()), sys.stdout)
