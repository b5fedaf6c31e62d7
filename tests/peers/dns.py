"""A DNS server on loopback, over UDP and TCP: its zone is the test's choice."""

import asyncio
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.live.running import free_port


@dataclass
class Names:
    """`zone` maps (name, type) to record texts; a name that is in no key does not exist. CNAMEs are followed.

    A type, or a name, in `silent` is never answered; one in `truncated` is cut over UDP; `broken` gives SERVFAIL.
    """

    zone: dict[tuple[str, str], list[str]]
    ttl: int = 300
    silent: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)
    broken: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    gate: asyncio.Event | None = None

    async def __aenter__(self) -> "Names":
        loop = asyncio.get_running_loop()
        self.port = free_port()  # for both: a port of the system's choice may be some client's of UDP
        address = ("127.0.0.1", self.port)
        self._server = await asyncio.start_server(self._tcp, *address)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._transport.close()

    def answer(self, octets: bytes, over_udp: bool) -> bytes | None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if not self.silent.isdisjoint((kind, name)):
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif over_udp and kind in self.truncated:
            response.flags |= dns.flags.TC
        else:
            self._look_up(name, kind, response)
        return response.to_wire()

    def _look_up(self, name: str, kind: str, response: dns.message.Message) -> None:
        while alias := self.zone.get((name, "CNAME")):
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", *alias))
            name = alias[0].rstrip(".")
        records = self.zone.get((name, kind))
        if records:
            response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *records))
        else:
            if not any(known == name for known, _ in self.zone):
                response.set_rcode(dns.rcode.NXDOMAIN)
            soa = "ns.example. root.example. 1 2 3 4 7"
            response.authority.append(dns.rrset.from_text("example.", 30, "IN", "SOA", soa))

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.answer(await reader.readexactly(length), over_udp=False)
        if answer is not None:
            writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, names: Names) -> None:
        self._names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, octets: bytes, address: tuple[str, int]) -> None:
        answer = self._names.answer(octets, over_udp=True)
        if answer is not None:
            self._transport.sendto(answer, address)  # type: ignore[attr-defined]
