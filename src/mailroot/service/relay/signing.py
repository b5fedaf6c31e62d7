"""Who signs what leaves: the keys of the author's domain, for mail that may be sent in its name.

A signature is made of the octets as they go out, after every conversion, so each transaction has its own (decision
0041). Not responsible for what a signature is (`mail.dkim`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailroot.edge.signingkeys import read
from mailroot.mail.address import domain_key
from mailroot.mail.dkim import BodyHash, HeaderField, SigningKey, author, fields_of, signature
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Misconfigured
from mailroot.mail.message import Content
from mailroot.queue.entry import QueueEntry
from mailroot.settings.dkim import EARLIEST, Dkim, DkimKey, in_order
from mailroot.settings.domains import Domain
from mailroot.settings.virtualserver import VirtualServer

# Whose mail is ours to sign: programs that may write to Pickup, clients that may relay. A stranger's is not, who may
# send to a relayed domain under any name.
_TRUSTED = {"pickup", "submission"}
_LONGEST_HEADER = 1024 * 1024
# The same octets for several destinations are signed once, for so long (seconds), and so many of them.
_KEPT_FOR, _MOST_KEPT = 60, 64


@dataclass(frozen=True, slots=True)
class Signature:
    """Fields to be put in front of a message, and what events tell of them: "example.com/selector"."""

    fields: bytes = b""
    names: tuple[str, ...] = ()


_NONE = Signature()


class Signer:
    """Signs for one virtual server under one revision of its settings."""

    def __init__(self, key: str, settings: VirtualServer, emit: Emit, now: Callable[[], datetime]) -> None:
        self._key, self._emit, self._now = key, emit, now
        self._settings: Dkim = settings.dkim
        self._domains = domains_with_keys(settings.domains)
        self._oversigned = frozenset(name.lower().encode() for name in settings.dkim.oversign)
        self._kept: dict[tuple[bytes, bytes], tuple[int, Signature]] = {}
        self._told: set[tuple[str, str]] = set()

    async def sign(self, entry: QueueEntry, content: Content) -> Signature:
        """The signatures of a message as it will go out. Raises `Unavailable` where the content cannot be read."""
        if not self._domains or not self._may_sign(entry.origin.source):
            return _NONE
        return self._signed(content) if content.in_memory else await asyncio.to_thread(self._signed, content)

    def _may_sign(self, source: str) -> bool:
        return source in _TRUSTED or (source == "report" and self._settings.reports)

    def _signed(self, content: Content) -> Signature:
        pieces = iter(content.pieces())
        head = next(pieces, b"")
        while (cut := head.find(b"\r\n\r\n")) < 0 and len(head) < _LONGEST_HEADER and (more := next(pieces, b"")):
            head += more
        begun = b"" if cut < 0 else head[cut + 4 :]
        head = head if cut < 0 else head[: cut + 2]
        fields = fields_of(head)
        keys = self._keys(fields)
        if not keys:
            return _NONE
        body = BodyHash()
        body.update(begun)
        for piece in pieces:
            body.update(piece)
        return self._signature(head, fields, body.digest(), keys)

    def _signature(
        self, head: bytes, fields: list[HeaderField], body_hash: bytes, keys: Sequence[SigningKey]
    ) -> Signature:
        moment = int(self._now().timestamp())
        made = self._kept.get((head, body_hash))
        if made is not None and moment - made[0] < _KEPT_FOR:
            return made[1]
        lines = b"".join(signature(fields, body_hash, key, self._oversigned, moment) for key in keys)
        result = Signature(lines, tuple(f"{key.domain}/{key.selector}" for key in keys))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[head, body_hash] = moment, result
        return result

    def _keys(self, fields: list[HeaderField]) -> list[SigningKey]:
        """The keys that sign for the author of a message: those of the domain, else of the nearest one above it."""
        mailbox = author(fields)
        name = domain_key(mailbox.domain) if mailbox is not None else ""
        while name and name not in self._domains:
            name = name.partition(".")[2]
        if not name:
            return []
        latest: dict[str, SigningKey] = {}
        now = self._now()
        for selector, declared in in_order(self._domains[name]):
            if (declared.active_from or EARLIEST) <= now:
                key = self._usable(name, selector, declared)
                if key is not None:
                    latest[key.algorithm] = key
        return list(latest.values())

    def _usable(self, domain: str, selector: str, declared: DkimKey) -> SigningKey | None:
        """The key at work; told of, once, where it cannot be used: the mail goes all the same."""
        try:
            found = read(declared.key)
        except Misconfigured as fault:
            if (domain, selector) not in self._told:
                self._told.add((domain, selector))
                self._emit(EVENTS.signing_failed, server=self._key, domain=domain, selector=selector, cause=str(fault))
            return None
        return SigningKey(domain, selector, found.algorithm, found.sign)


def domains_with_keys(domains: Mapping[str, Domain]) -> dict[str, Mapping[str, DkimKey]]:
    """The keys by domain, for those that have any."""
    return {name: domain.dkim for name, domain in domains.items() if domain.dkim}
