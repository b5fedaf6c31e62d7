"""Who the virtual servers are to their clients: certificates read by the supervisor, and presented by all workers.

The workers may run under an account that cannot read the keys, so they are given the octets. The supervisor presents
them too, in the contexts with which later workers are born.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailroot.edge.tls.certificates import Named, own_folders
from mailroot.edge.tls.contexts import Presented, ServerTls, TlsTerms
from mailroot.edge.tls.identity import Identity, own_identity, read_identity
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, Unavailable
from mailroot.service.life.state import State, WorkerAtWork
from mailroot.service.life.workforce import kill
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import TlsOffer, VirtualServer

_LOOK = 60.0  # seconds between two looks at the files
_WARNING = timedelta(days=30)
_WARN_EACH = 1440  # looks: once a day

_Stamp = tuple[tuple[str, int, int], ...]


def wanted(settings: Settings) -> dict[str, Presented]:
    """What the settings want to be presented, by virtual server. Raises `Misconfigured`, naming the option."""
    presented = {}
    for key, server in settings.servers.items():
        terms = TlsTerms(server.access.tls_minimum.value, server.access.tls_ciphers)
        presented[key] = (terms, _identities(settings, key, server))
        try:
            ServerTls().apply(*presented[key])  # on trial
        except Fault as fault:
            raise type(fault)(f"servers.{key}.access: {fault}") from fault
    return presented


def _identities(settings: Settings, key: str, server: VirtualServer) -> Mapping[str, Identity]:
    access = server.access
    if access.tls is TlsOffer.OFF:
        return {}
    if access.certificate:
        default = _read(Named(key, "", access.certificate, access.key))
    else:
        default = own_identity(own_folders(settings, key), key, server.delivery.fqdn)
    named = {name: _read(Named(key, name, one.certificate, one.key)) for name, one in access.names.items()}
    return {"": default, **named}


def _read(named: Named) -> Identity:
    try:
        return read_identity(named.certificate, named.key)
    except Fault as fault:
        raise type(fault)(f"{named.path}: {fault}") from fault


async def present(state: State, presented: Mapping[str, Presented]) -> tuple[str, ...]:
    """Present these from now on, in all workers and those to come; the servers for which something changed.

    A worker that cannot is replaced by one that is born with them.
    """
    changed = {key: one for key, one in presented.items() if one != state.presented.get(key)}
    if changed:
        for key, one in changed.items():
            state.tls[key].apply(*one)
        state.presented = {**state.presented, **changed}
        await asyncio.gather(*(_tell(state, worker, changed) for worker in list(state.running.values())))
    return tuple(changed)


async def _tell(state: State, worker: WorkerAtWork, changed: Mapping[str, Presented]) -> None:
    try:
        await state.tell_one(worker, "present", changed)
    except Unavailable:
        kill(worker)


class IdentityWatch:
    """Looks at the files now and then: what changed is presented, and what expires is told."""

    def __init__(self, state: State, emit: Emit, changing: asyncio.Lock) -> None:
        self._state = state
        self._emit = emit
        self._changing = changing
        self._seen = _stamp(state.settings)
        self._looks = 0

    async def run(self, every: float = _LOOK) -> None:
        """Watch until cancelled."""
        self._warn()
        while True:
            await asyncio.sleep(every)
            self._looks += 1
            stamp = _stamp(self._state.settings)
            if stamp != self._seen:
                self._seen = stamp
                await self._renew()
            if self._looks % _WARN_EACH == 0:
                self._warn()

    async def _renew(self) -> None:
        async with self._changing:
            try:
                changed = await present(self._state, wanted(self._state.settings))
            except Fault as fault:
                self._emit(EVENTS.certificates_refused, server="", cause=str(fault))
                return
        tell_presented(self._state, changed, self._emit)

    def _warn(self) -> None:
        _warn_of(self._state, tuple(self._state.presented), self._emit)


def tell_presented(state: State, changed: tuple[str, ...], emit: Emit) -> None:
    """Say which certificates are presented from now on."""
    for key in changed:
        identities = state.presented[key][1].values()
        names = tuple(dict.fromkeys(name for one in identities for name in one.names))
        expires = min((_moment(one) for one in identities), default="")
        emit(EVENTS.certificates_presented, server=key, names=names, expires=expires)
    _warn_of(state, changed, emit)


def _warn_of(state: State, servers: tuple[str, ...], emit: Emit) -> None:
    """Say which certificates of these servers have expired, or soon will."""
    soon = datetime.now(UTC) + _WARNING
    for key in servers:
        for one in state.presented[key][1].values():
            if one.expires < soon:
                emit(EVENTS.certificate_expires, server=key, names=one.names, expires=_moment(one))


def _moment(identity: Identity) -> str:
    return identity.expires.isoformat(timespec="seconds")


def _stamp(settings: Settings) -> _Stamp:
    """Changes with every file that a certificate or key is read from."""
    stamps = []
    for server in settings.servers.values():
        access = server.access
        files = [access.certificate, access.key]
        files += [path for named in access.names.values() for path in (named.certificate, named.key)]
        stamps += [_stamp_of(path) for path in files if path]
    return tuple(stamps)


def _stamp_of(path: str) -> tuple[str, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_ino
