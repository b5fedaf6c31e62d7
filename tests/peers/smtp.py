"""A scripted SMTP server on loopback: what it answers is the test's choice, what it heard is the test's to read."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.peers.signing import Door

EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING")

Answer = str | bytes | None


@dataclass
class Heard:
    """One connection, as the server saw it. `messages` are unstuffed; `raw` is all that came.

    `tls` is the version of TLS that was spoken in the end, "" in clear text.
    """

    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    ended: bool = False
    tls: str = ""
    signed_in: bool = False


@dataclass
class Peer:
    """`answers` maps a verb, or a whole command line, to a reply (without line end) or a function of the line.

    A reply of bytes is sent as it is; None ends the connection without a word. A list is used up one by one. With a
    context in `tls`, STARTTLS is offered, or with `implicit` TLS begins with the connection. With a `door`, clients can
    sign in, and only those who did may send.
    """

    answers: dict[str, object] = field(default_factory=dict)
    extensions: tuple[str, ...] = EXTENSIONS
    address: str = "127.0.0.1"
    port: int = 0
    connections: list[Heard] = field(default_factory=list)
    most_at_once: int = 0
    now_open: int = 0
    gate: asyncio.Event | None = None
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    door: Door | None = None
    _server: asyncio.Server | None = None

    @property
    def messages(self) -> list[bytes]:
        return [message for connection in self.connections for message in connection.messages]

    @property
    def commands(self) -> list[str]:
        return [command for connection in self.connections for command in connection.commands]

    async def __aenter__(self) -> "Peer":
        context = self.tls if self.implicit else None
        self._server = await asyncio.start_server(self._serve, self.address, self.port, limit=1 << 26, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def _answer(self, verb: str, line: str, default: Answer) -> Answer:
        found = self.answers.get(line, self.answers.get(verb, default))
        if isinstance(found, list):
            found = found.pop(0) if found else default
        return found(line) if isinstance(found, Callable) else found  # type: ignore[arg-type, return-value]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = Heard()
        self.connections.append(heard)
        self.now_open += 1
        self.most_at_once = max(self.most_at_once, self.now_open)
        self._note_tls(writer, heard)
        try:
            await self._talk(reader, writer, heard)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            heard.ended = True
            self.now_open -= 1
            writer.close()

    def _note_tls(self, writer: asyncio.StreamWriter, heard: Heard) -> None:
        found = writer.get_extra_info("ssl_object")
        if found is not None:
            heard.tls = found.version()

    async def _upgrade(self, writer: asyncio.StreamWriter, heard: Heard) -> None:
        assert self.tls is not None
        await writer.start_tls(self.tls)
        self._note_tls(writer, heard)

    async def _say(self, writer: asyncio.StreamWriter, answer: Answer) -> bool:
        if answer is None:
            return False
        writer.write(answer if isinstance(answer, bytes) else answer.encode() + b"\r\n")
        await writer.drain()
        return True

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        if not await self._say(writer, self._answer("GREETING", "GREETING", "220 peer.example ESMTP")):
            return
        while line := await reader.readline():
            heard.raw += line
            text = line.decode().rstrip("\r\n")
            heard.commands.append(text)
            verb = text.split(" ")[0].upper()
            if verb == "BDAT":
                chunk = await reader.readexactly(int(text.split()[1]))
                heard.raw += chunk
                heard.messages.append(chunk)
            if verb == "AUTH" and self.door is not None and "AUTH" not in self.answers:
                usual = await self.door.let_in(text, reader, writer)
                heard.signed_in = usual.startswith("235")
            else:
                usual = self._usual(verb, heard)
            answer = self._answer(verb, text, usual)
            if not await self._say(writer, answer):
                return
            if verb == "QUIT":
                return
            if verb == "STARTTLS" and str(answer).startswith("220"):
                await self._upgrade(writer, heard)
            if verb == "DATA" and str(answer).startswith("354"):
                await self._content(reader, heard)
                if self.gate is not None:
                    await self.gate.wait()
                if not await self._say(writer, self._answer(".", ".", "250 2.0.0 queued as 1")):
                    return

    def _usual(self, verb: str, heard: Heard) -> str:
        if verb == "MAIL" and self.door is not None and not heard.signed_in:
            return "530 5.7.57 Client not authenticated to send mail."
        if verb == "STARTTLS":
            return "220 2.0.0 go on" if self.tls and not heard.tls else "502 5.5.1 not here"
        if verb == "EHLO":
            lines = ("peer.example", *self.extensions, *(("STARTTLS",) if self.tls and not heard.tls else ()))
            if self.door is not None and (heard.tls or self.door.in_clear):
                lines += (" ".join(("AUTH", *self.door.offers)),)
            return "\r\n".join(f"250{'-' if n < len(lines) - 1 else ' '}{line}" for n, line in enumerate(lines))
        return {"DATA": "354 go on", "QUIT": "221 2.0.0 bye"}.get(verb, "250 2.0.0 ok")

    async def _content(self, reader: asyncio.StreamReader, heard: Heard) -> None:
        content = bytearray()
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise asyncio.IncompleteReadError(b"", None)
            heard.raw += line
            content += line[1:] if line.startswith(b".") else line
        heard.raw += line
        heard.messages.append(bytes(content))
