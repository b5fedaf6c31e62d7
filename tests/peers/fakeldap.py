"""A directory that does what a test wants: it stalls, resets, lies and counts. BER by hand, on loopback."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailroot.wire.ldap.ber import ENUMERATED, OCTETS, SEQUENCE, SET, Reader, Splitter, integer, tlv

BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77
Attributes = dict[str, Sequence[bytes]]


def answer(number: int, operation: bytes) -> bytes:
    return tlv(SEQUENCE, integer(number), operation)


def result(tag: int, code: int = 0, text: str = "", more: bytes = b"") -> bytes:
    return tlv(tag, integer(code, ENUMERATED), tlv(OCTETS, b""), tlv(OCTETS, text.encode()), more)


def entry(dn: str, attributes: Attributes) -> bytes:
    pairs = [
        tlv(SEQUENCE, tlv(OCTETS, name.encode()), tlv(SET, *(tlv(OCTETS, value) for value in values)))
        for name, values in attributes.items()
    ]
    return tlv(0x64, tlv(OCTETS, dn.encode()), tlv(SEQUENCE, *pairs))


@dataclass
class Asked:
    """A search: its base, and the attributes that are wanted."""

    base: str
    attributes: list[str]
    octets: bytes


def person(dn: str, mail: str) -> tuple[str, Attributes]:
    return dn, {"objectClass": [b"user"], "mail": [mail.encode()]}


@dataclass
class FakeDirectory:
    """`find` gives the entries of a search, or the octets of an answer as they are (made with its number), or None
    for silence. `binds` has the names that signed in; `refuse` is the code of a binding's answer.
    """

    find: Callable[[Asked], Sequence[tuple[str, Attributes]] | Callable[[int], bytes] | None]
    refuse: int = 0
    port: int = 0
    connections: int = 0
    open: int = 0
    binds: list[str] = field(default_factory=list)
    searches: list[Asked] = field(default_factory=list)
    abandoned: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> "FakeDirectory":
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Close the listener and every connection."""
        self._server.close()
        self.reset()
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Cut all connections."""
        for writer in list(self.writers):
            writer.transport.abort()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.writers.add(writer)
        splitter = Splitter(1 << 20)
        try:
            while data := await reader.read(65536):
                for message in splitter.feed(data):
                    self._message(message, writer)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            self.writers.discard(writer)
            with contextlib.suppress(Exception):
                writer.close()

    def _message(self, message: bytes, writer: asyncio.StreamWriter) -> None:
        inner = Reader(message).inner()
        number, tag = inner.integer(), inner.tag
        if tag == BIND:
            bind = inner.inner(BIND)
            bind.skip()
            self.binds.append(bind.octets().decode())
            writer.write(answer(number, result(0x61, self.refuse)))
        elif tag == SEARCH:
            self._search(number, inner.inner(SEARCH), message, writer)
        elif tag == ABANDON:
            self.abandoned += 1
        elif tag == EXTENDED:
            writer.write(answer(number, result(0x78, 2, "no TLS here")))

    def _search(self, number: int, search: Reader, message: bytes, writer: asyncio.StreamWriter) -> None:
        base = search.octets().decode()
        for _ in range(6):
            search.skip()
        wanted, attributes = search.inner(), []
        while wanted.more:
            attributes.append(wanted.octets().decode())
        asked = Asked(base, attributes, message)
        self.searches.append(asked)
        found = self.find(asked)
        if callable(found):
            writer.write(found(number))
        elif found is not None:
            for dn, values in found:
                writer.write(answer(number, entry(dn, values)))
            writer.write(answer(number, result(0x65)))
