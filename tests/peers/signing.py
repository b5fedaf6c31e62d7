"""The AUTH side of a scripted SMTP server: our own server mechanisms over accounts that the test names."""

import asyncio
import base64
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailroot.wire.sasl import keys, server
from mailroot.wire.sasl.words import (
    Challenge,
    ChannelBinding,
    CheckPassword,
    CramSecretOf,
    NtHashOf,
    Opening,
    ScramKeysOf,
    SignedIn,
)


@dataclass
class Door:
    """Lets those in whose password is in `accounts`, or whose token is in `tokens`.

    `offers` are the mechanisms of the EHLO line; `answers` maps one to what is said in its place. `seen` is what came
    with AUTH, decoded: mechanism and responses.
    """

    accounts: dict[str, str] = field(default_factory=dict)
    offers: tuple[str, ...] = ("PLAIN", "LOGIN")
    tokens: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)
    bad: str = "535 5.7.3 Authentication unsuccessful"
    in_clear: bool = True
    binding: ChannelBinding | None = None
    seen: list[tuple[str, list[bytes]]] = field(default_factory=list)

    async def let_in(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """The dialogue of one AUTH command, up to its last reply."""
        words = line.split()
        name = words[1].upper()
        responses: list[bytes] = []
        self.seen.append((name, responses))
        initial = None if len(words) < 3 else b"" if words[2] == "=" else base64.b64decode(words[2])
        if initial is not None:
            responses.append(initial)
        if name in self.answers:
            return self.answers[name]
        if name in {"XOAUTH2", "OAUTHBEARER"}:
            return await self._token(initial or b"", reader, writer, responses)
        row = next((row for row in server.MECHANISMS if row.name == name and row.name in self.offers), None)
        if row is None:
            return "504 5.7.4 Unrecognized authentication type"
        random = secrets.token_bytes(32)
        opening = Opening(initial, random, datetime.now(UTC), ("relay.there.example",), self.binding)
        exchange = row.accept(opening)
        answer = None
        try:
            while True:
                step = exchange.send(answer)
                if isinstance(step, Challenge):
                    response = await self._asked(step.data, reader, writer)
                    if response is None:
                        return "501 5.0.0 cancelled"
                    responses.append(response)
                    answer = response
                else:
                    answer = self._known(step)
        except StopIteration as end:
            return "235 2.7.0 Authentication successful" if isinstance(end.value, SignedIn) else self.bad

    async def _asked(self, data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        writer.write(b"334 " + base64.b64encode(data) + b"\r\n")
        await writer.drain()
        line = (await reader.readline()).strip()
        return None if line == b"*" else base64.b64decode(line)

    async def _token(
        self, said: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, responses: list[bytes]
    ) -> str:
        if any(f"auth=Bearer {token}\1".encode() in said for token in self.tokens):
            return "235 2.7.0 Authentication successful"
        error = b'{"status":"invalid_token\\r\\n<b>","schemes":"bearer"}'
        responses.append(await self._asked(error, reader, writer) or b"")
        return self.bad

    def _known(self, question: object) -> object:
        password = self.accounts.get(getattr(question, "user", ""), "")
        if isinstance(question, CheckPassword):
            return bool(password) and question.password == password
        if isinstance(question, ScramKeysOf):
            return keys.scram_keys(password or "nobody's", b"salt of the tests", 4096)
        if isinstance(question, CramSecretOf):
            return keys.cram_secret(password) if password else None
        if isinstance(question, NtHashOf):
            return keys.nt_hash(password) if password else None
        raise TypeError(question)
