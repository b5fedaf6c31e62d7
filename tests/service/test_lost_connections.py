"""A connection that is lost at the worst moment: while its message is committed."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from mailroot.mail.reply import REPLIES, Reply
from mailroot.service.receive.session import Session
from mailroot.service.receive.turn import Turn
from mailroot.wire import events as wire
from mailroot.wire.server import ServerEngine, ServerProfile

DIALOGUE = (b"EHLO a\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<c@d.test>\r\n", b"DATA\r\n", b"x\r\n.\r\n")


class OneCommit:
    """Answers whose commit ends when the test says so."""

    hello, messages, congested, in_transaction, fqdn = "", 0, False, False, "mail.test"

    def __init__(self) -> None:
        self.commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.told: list[str] = []

    def take(self, event: wire.Event) -> Any:
        if isinstance(event, wire.BodyEnd):
            return self.commit
        if isinstance(event, wire.DataRequested):
            return REPLIES.start_input()
        return REPLIES.ok() if isinstance(event, wire.MailFrom | wire.RcptTo) else None

    def committed(self, _commit: asyncio.Future[None]) -> Reply:
        self.told.append("committed")
        return REPLIES.ok()

    def drop_draft(self) -> None:
        self.told.append("dropped")

    def end_signing_in(self) -> None:
        """Nobody signs in."""


class OneSession:
    """The sessions of a server that has one."""

    def __init__(self, answers: OneCommit) -> None:
        self.answers = answers
        self.turn = Turn(asyncio.get_running_loop())

    def open(self, session: Session) -> tuple[ServerEngine, OneCommit, Reply]:
        session.ident = "1"
        return ServerEngine(ServerProfile("mail.test", "192.0.2.1")), self.answers, REPLIES.ok()

    def close(self, _session: Session) -> None:
        self.answers.told.append("closed")


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def get_extra_info(self, _name: str, _default: Any = None) -> Any:
        return ("192.0.2.1", 1)

    def write(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True


@pytest.fixture
async def began(monkeypatch: pytest.MonkeyPatch) -> tuple[Session, OneCommit]:
    """A session within DATA, and its answers."""
    monkeypatch.setattr("mailroot.service.receive.session.ANSWERS", defaultdict(lambda: OneCommit.take))
    answers = OneCommit()
    session = Session(OneSession(answers), asyncio.get_running_loop())  # type: ignore[arg-type]
    session.connection_made(Wire())
    for octets in DIALOGUE[:4]:
        session.data_received(octets)
        await asyncio.sleep(0)
    return session, answers


async def test_A20_a_connection_lost_before_the_end_drops_the_message(began: tuple[Session, OneCommit]) -> None:
    session, answers = began
    session.connection_lost(None)
    assert answers.told == ["dropped", "closed"]


async def test_A20_a_connection_lost_behind_the_end_leaves_the_commit_alone(began: tuple[Session, OneCommit]) -> None:
    session, answers = began
    session.data_received(DIALOGUE[4])
    session.connection_lost(ConnectionResetError())
    answers.commit.set_result(None)
    await asyncio.sleep(0)
    assert answers.told == ["closed", "committed"]
