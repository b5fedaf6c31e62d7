"""The disk: whether a sync holds, as far as that can be known, and how much room there is."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from mailroot.edge.probes.storage import Mount, mount_of, room, sync_time, write_cache
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.service.doctor.folders import folders_of, log_folder_of

_MEMORY = {"tmpfs", "ramfs"}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "afs", "lustre"}
_LAYERED = {"overlay", "aufs"}
_UNSAFE = {"nobarrier", "barrier=0", "barrier=none", "nobarriers", "sync=disabled"}
# A sync that reaches a disk takes longer: the fastest with a protected cache need some 20 microseconds.
_TOO_FAST, _SLOW, _VERY_SLOW = 15e-6, 0.030, 0.200
_FEW, _TOO_FEW = 0.05, 0.01
_LITTLE, _TOO_LITTLE = 1 << 30, 64 << 20


async def check(patient: Patient) -> AsyncIterator[Finding]:
    """What each queue stands on."""
    for key, server in patient.settings.servers.items():
        place = _existing(server.home)
        mount = mount_of(place)
        if mount is None:
            yield warning(key, "the system does not tell what the queue stands on", "look at it by `mount` yourself")
        else:
            for finding in _promise(key, server.home, mount):
                yield finding
        if place == server.home:
            yield await _speed(key, place, mount)


def _existing(folder: str) -> str:
    return str(next((one for one in (Path(folder), *Path(folder).parents) if one.exists()), Path("/")))


def _promise(key: str, home: str, mount: Mount) -> Iterator[Finding]:
    """What the file system promises."""
    elsewhere = "give the server a home on a local, journalled file system (ext4, xfs)"
    on = f"{home} lies on {mount.kind} ({mount.source} at {mount.point})"
    unsafe = sorted(_UNSAFE & mount.options)
    if mount.kind in _MEMORY:
        yield fault(key, f"{on}: it is memory, and no mail in it survives a restart of the machine", elsewhere)
    elif mount.kind in _NETWORK:
        yield fault(key, f"{on}: a database on a network file system can be damaged; locks and syncs differ", elsewhere)
    elif mount.kind in _LAYERED:
        yield warning(key, f"{on}: it is a layer of a container, and goes with it", "mount a volume for the home")
    elif unsafe:
        yield fault(key, f"{on} with {', '.join(unsafe)}: a sync does not wait for the disk", "remove that option")
    elif "ro" in mount.options:
        yield fault(key, f"{on}, read only", "mount -o remount,rw, after a look at why (dmesg)")
    else:
        yield ok(key, f"{on}. {_cache(mount)}")


def _cache(mount: Mount) -> str:
    """What is known of the cache of the disk, and what is not."""
    kind = write_cache(mount.device)
    unknown = (
        "whether the disk, or what plays the disk for a virtual machine, keeps that promise cannot be seen from here"
    )
    if kind == "write through":
        return f"Its device says that it holds nothing back; {unknown}."
    if kind == "write back":
        return f"Its device has a cache, which each sync has it empty; {unknown}."
    return f"Of a cache of its device nothing is known; {unknown}."


async def _speed(key: str, folder: str, mount: Mount | None) -> Finding:
    taken = await asyncio.to_thread(sync_time, folder)
    said = f"a sync of 4 KB takes {taken * 1000:.2f} ms"
    if taken < _TOO_FAST and (mount is None or mount.kind not in _MEMORY):
        wrong = f"{said}, less than any disk needs: it may be held in a cache that a power cut empties"
        return warning(key, wrong, "see what the machine's host promises (a cache mode of `none` or `writethrough`)")
    if taken > _VERY_SLOW:
        return fault(key, f"{said}: few messages a second can be taken", "see what else writes there (iostat -x 1)")
    if taken > _SLOW:
        return warning(key, f"{said}, which is slow", "see what else writes there (iostat -x 1), or take a faster disk")
    return ok(key, said)


async def rooms(patient: Patient) -> AsyncIterator[Finding]:
    """The room on each file system that mail lies on, once each."""
    seen: set[int] = set()
    folders = [pair for server in patient.settings.servers.values() for pair in folders_of(server)]
    logs = [("protocol log", log_folder_of(patient.settings, key)) for key in patient.settings.servers]
    folders += [pair for pair in logs if pair[1]]
    for name, folder in [*folders, ("events", patient.settings.service.events or "/")]:
        place = _existing(folder)
        device = os.stat(place).st_dev  # noqa: PTH116 - text
        if device not in seen:
            seen.add(device)
            yield _room(name, place)


def _room(name: str, place: str) -> Finding:
    found = room(place)
    octets = f"{found.octets / (1 << 30):.1f} GB ({found.octets_share:.0%}) are free at {place}"
    mend = "remove old Badmail, logs and Drop files, or make the file system larger"
    if found.octets < _TOO_LITTLE:
        return fault(name, f"{octets}: mail will be refused", mend)
    if found.files_share < _TOO_FEW:
        return fault(name, f"only {found.files} files can still be made at {place}", mend)
    if found.octets < _LITTLE or found.octets_share < _FEW:
        return warning(name, octets, mend)
    if found.files_share < _FEW:
        return warning(name, f"{octets}, but only {found.files} files can still be made", mend)
    return ok(name, octets)
