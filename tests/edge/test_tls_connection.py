"""TLS of clients in memory: what it keeps for the peer has a limit."""

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

from mailroot.edge.tls.connection import TlsConnection
from mailroot.edge.tls.contexts import ServerTls, TlsTerms
from mailroot.edge.tls.identity import identity_of, key_pem, new_key, self_signed


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


async def test_what_tls_itself_answers_is_not_kept_without_end() -> None:
    """A KeyUpdate asks for another one, and no library for Python sends them: the answers are put there by hand."""
    key, wire, ended = new_key(), Wire(), []
    tls = ServerTls()
    tls.apply(TlsTerms(), {"": identity_of(self_signed(key, ("mail.test",), datetime.now(UTC)), key_pem(key))})
    connection = TlsConnection(tls.context, asyncio.Protocol(), 30.0, ended.append)
    connection.connection_made(wire)
    client = _shaken(connection, wire, ended)
    connection._outgoing.write(bytes(1000))
    connection.data_received(_said(client, b"NOOP"))
    assert wire.written == b""  # a little goes with the next reply
    connection._outgoing.write(bytes(20_000))
    connection.data_received(_said(client, b"NOOP"))
    assert len(wire.written) > 20_000
    assert connection._outgoing.pending == 0


def _shaken(connection: TlsConnection, wire: Wire, ended: list[str]) -> tuple[ssl.SSLObject, ssl.MemoryBIO]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    while not ended:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        connection.data_received(outgoing.read())
        incoming.write(wire.written)
        wire.written = b""
    assert ended == [""]
    return client, outgoing


def _said(client: tuple[ssl.SSLObject, ssl.MemoryBIO], words: bytes) -> bytes:
    client[0].write(words)
    return client[1].read()
