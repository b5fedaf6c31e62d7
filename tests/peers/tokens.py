"""A token endpoint on loopback (RFC 6749): what it answers is the test's choice, what it heard the test's to read."""

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass
class Endpoint:
    """`answers` are (status, members) used up one by one; the last one stays. Members of bytes are sent as they are."""

    answers: list[tuple[int, object]]
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    silent: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tenant/token"

    async def __aenter__(self) -> "Endpoint":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        self.asked.append(dict(parse_qsl((await reader.readexactly(length)).decode())))
        if self.silent:
            await reader.read()
            writer.close()
            return
        status, members = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        lead = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(lead.encode() + b"Connection: close\r\nLocation: http://127.0.0.1:1/\r\n\r\n" + body)
        await writer.drain()
        writer.close()
