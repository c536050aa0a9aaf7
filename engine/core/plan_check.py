"""Compares the steps of a plan with what the live process has.

A step is compared where its effect can be seen from outside and only for too little isolation:
a program that gave up more by itself is as it should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.core.inspection import Live, Place

_NAMES = {"mount": "mnt"}
"""Namespaces are called otherwise in plans than in /proc."""

_NO_RLIMIT = (1 << 64) - 1


class Seen(NamedTuple):
    """What is seen of a step, and whether that is not what was planned."""

    text: str = ""
    is_off: bool = False


def look(step: Sequence[Any], live: Live, places: Mapping[str, Place]) -> Seen:
    """Find out what is seen of a step.

    Args:
        step: As it goes to the keeper: its name, then its arguments.
        live: What the process has.
        places: The paths `paths_of` names, as the process sees them.
    """
    observe = _OBSERVERS.get(step[0])
    return observe(step[1:], live, places) if observe else Seen()


def paths_of(step: Sequence[Any]) -> list[str]:
    """Name the paths whose mounts tell whether a step was carried out."""
    match step:
        case ["hide" | "dev", path, *_]:
            return [path]
        case ["mask" | "readonly", paths, *_]:
            return list(paths)
        case ["mount", _, target, fstype, *_] if fstype:
            return [target]
        case _:
            return []


def _cgroup(arguments: Sequence[Any], live: Live, _: Mapping[str, Place]) -> Seen:
    if live.cgroup == arguments[0]:
        return Seen("it is in there")
    return Seen(f"it is in {live.cgroup or 'none of ours'}", is_off=True)


def _unshare(arguments: Sequence[Any], live: Live, _: Mapping[str, Place]) -> Seen:
    found = {each.kind: each for each in live.namespaces}
    texts, is_off = [], False
    for name in arguments[0]:
        each = found.get(_NAMES.get(name, name))
        if each is None or not each.inode:
            texts.append(f"{name} unknown")
        elif each.is_own:
            texts.append(f"{name} {each.inode}")
        else:
            texts.append(f"{name} IS THE ENGINE'S")
            is_off = True
    return Seen(", ".join(texts), is_off)


def _netns(_: Sequence[Any], live: Live, places: Mapping[str, Place]) -> Seen:
    seen = _unshare([["net"]], live, places)
    return Seen(", ".join((seen.text, *live.addresses)), seen.is_off)


def _hide(arguments: Sequence[Any], _: Live, places: Mapping[str, Place]) -> Seen:
    return _covered(places.get(arguments[0]), "tmpfs")


def _mount(arguments: Sequence[Any], _: Live, places: Mapping[str, Place]) -> Seen:
    return _covered(places.get(arguments[1]), arguments[2]) if arguments[2] else Seen()


def _covered(place: Place | None, fstype: str) -> Seen:
    if place is None or place.is_there is None:
        return Seen()
    if place.is_mount and place.fstype == fstype:
        return Seen(f"{fstype}, {'read-only' if place.is_readonly else 'writable'}")
    return Seen("the host's is seen there", is_off=True)


def _mask(arguments: Sequence[Any], _: Live, places: Mapping[str, Place]) -> Seen:
    there = [path for path in arguments[0] if path in places and places[path].is_there]
    bare = [path for path in there if not places[path].is_mount]
    if bare:
        return Seen(f"{', '.join(bare)} can be read", is_off=True)
    return Seen(f"{len(there)} are covered" if there else "")


def _readonly(arguments: Sequence[Any], _: Live, places: Mapping[str, Place]) -> Seen:
    there = [path for path in arguments[0] if path in places and places[path].is_there]
    loose = [path for path in there if not places[path].is_readonly]
    if loose:
        return Seen(f"{', '.join(loose)} can be written", is_off=True)
    return Seen("read-only" if there else "")


def _rlimit(arguments: Sequence[Any], live: Live, _: Mapping[str, Place]) -> Seen:
    name, _soft, hard = arguments
    found = live.rlimits.get(str(name).lower())
    if found is None:
        return Seen()
    number = _NO_RLIMIT if found[1] == "unlimited" else int(found[1])
    planned = _NO_RLIMIT if hard < 0 else hard
    return Seen(" ".join(dict.fromkeys(found)), is_off=number > planned)


def _user(arguments: Sequence[Any], live: Live, _: Mapping[str, Place]) -> Seen:
    if len(live.uid) < 2:
        return Seen()
    name = f" ({live.user})" if live.user else ""
    return Seen(f"uid {live.uid[1]}{name}", is_off=set(live.uid) != {arguments[0]})


def _no_new_privs(_: Sequence[Any], live: Live, _places: Mapping[str, Place]) -> Seen:
    return Seen("set") if live.no_new_privs else Seen("not set", is_off=True)


def _drop_caps(arguments: Sequence[Any], live: Live, _: Mapping[str, Place]) -> Seen:
    kept = set(arguments[0]) if arguments else set()
    held = dict(live.capabilities)
    if live.no_new_privs:
        held.pop("bounding", None)  # nothing can be gained from it any more
    extra = sorted({name for names in held.values() for name in names} - kept)
    if extra:
        return Seen(f"it has {', '.join(extra)}", is_off=True)
    return Seen(", ".join(live.capabilities.get("effective", ())) or "none")


def _seccomp(_: Sequence[Any], live: Live, _places: Mapping[str, Place]) -> Seen:
    if live.seccomp != "filter":
        return Seen(live.seccomp, is_off=True)
    return Seen("filter" if live.filters < 0 else f"filter, {live.filters} of them")


def _chdir(_: Sequence[Any], live: Live, _places: Mapping[str, Place]) -> Seen:
    return Seen(f"now in {live.workdir}" if live.workdir else "")


def _exec(_: Sequence[Any], live: Live, _places: Mapping[str, Place]) -> Seen:
    return Seen(f"{live.main_pid}: {live.program}" if live.program else f"{live.main_pid}")


def _reap(_: Sequence[Any], live: Live, _places: Mapping[str, Place]) -> Seen:
    return Seen(f"{live.pid}" if live.pid != live.main_pid else "")


_OBSERVERS: dict[str, Callable[[Sequence[Any], Live, Mapping[str, Place]], Seen]] = {
    "cgroup": _cgroup,
    "unshare": _unshare,
    "netns": _netns,
    "hide": _hide,
    "dev": _hide,
    "mount": _mount,
    "mask": _mask,
    "readonly": _readonly,
    "rlimit": _rlimit,
    "user": _user,
    "no_new_privs": _no_new_privs,
    "drop_caps": _drop_caps,
    "seccomp": _seccomp,
    "chdir": _chdir,
    "exec": _exec,
    "reap": _reap,
}
