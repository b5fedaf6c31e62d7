"""A session on a transport that leads nowhere, with a queue in memory behind it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from mailroot.edge.tls.contexts import ServerTls
from mailroot.queue.entry import SealedDraft
from mailroot.service.intake import Intake
from mailroot.service.receive.securing import Handshakes, Securing
from mailroot.service.receive.session import Session
from mailroot.service.receive.sessions import SessionCount, Sessions
from mailroot.service.receive.turn import Answering, Turn
from mailroot.settings.access import AddressList, ListMode, Relay
from mailroot.settings.virtualserver import Access
from mailroot.wire.profile import ServerProfile
from tests.service.working import Work, rules, until

CLIENT = "127.0.0.1"
EVERYBODY = Access(connection=AddressList(), relay=Relay(mode=ListMode.ALL_EXCEPT, list=()))


class FakeTransport(asyncio.Transport):
    """Keeps what is written; `closed` once it is closed or cut."""

    def __init__(self) -> None:
        super().__init__({"peername": (CLIENT, 1)})
        self.written = b""
        self.closed = self.aborted = False
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class PromptTurn(Turn):
    """Answers and writes at once, so that a test needs no turn of the loop."""

    def hear(self, session: Answering) -> None:
        session.answer()

    def say(self, transport: asyncio.Transport, octets: bytes, last: bool) -> None:
        super().say(transport, octets, last)
        self.send()


class Conversation:
    """One client, its session, and the server behind it."""

    def __init__(self, pool: ThreadPoolExecutor, profile: ServerProfile | None = None, **parts: Any) -> None:
        self.work = Work()
        self.work.rules = rules(**({"access": EVERYBODY} | parts))
        self.open = 0
        self.full: list[str] = []
        self.intake = Intake(
            key="default",
            store=self.work.queue,
            create_content=lambda: None,  # type: ignore[arg-type, return-value]
            dispatcher=self.work.dispatcher,
            emit=self.work.emit,
            now=self.work.clock,
            local_now=self.work.clock,
            over_quota=lambda route: route.folder in self.full,
            store_failed=self.work.store_faults.append,
            filler="A" * 19,
            pool=pool,
            count=iter(range(10**9)).__next__,
        )
        count = SessionCount(self._count, lambda: self.open, lambda: True)
        self.tls = ServerTls()
        securing = Securing("default", self.tls, Handshakes(), self.work.emit)
        self.sessions = Sessions(self.work.rules, self.intake, count, "s", securing)
        if profile is not None:
            standings = self.sessions._standings
            standings._known[CLIENT] = replace(standings.of(CLIENT), profile=profile)
        self.sessions.turn = PromptTurn(asyncio.get_running_loop())
        self.transport = FakeTransport()
        self.session: Session = self.sessions.make()
        self.session.connection_made(self.transport)

    def _count(self, change: int) -> None:
        self.open += change

    @property
    def drafts(self) -> list[SealedDraft]:
        """The messages that were committed, without reports."""
        return [draft for draft in self.work.queue.drafts if draft.origin.source != "report"]

    async def say(self, octets: bytes, *, lost: bool = False) -> list[str]:
        """Send octets; the lines that come back."""
        self.transport.written = b""
        self.session.data_received(octets)
        if lost:
            self.session.eof_received()
        await until(lambda: self.session._waiting is None)
        return self.transport.written.decode().split("\r\n")[:-1]

    async def tell(self, *lines: str) -> str:
        """Send lines one after the other; the last line that came back."""
        said = [""]
        for line in lines:
            said = await self.say(line.encode() + b"\r\n") or said
        return said[-1]

    async def message(self, content: str = "Subject: x\r\n\r\nHello.", recipient: str = "ann@local.test") -> str:
        """Send one message; the reply to it."""
        return await self.tell(
            "EHLO client", "MAIL FROM:<app@local.test>", f"RCPT TO:<{recipient}>", "DATA", content, "."
        )
