"""A session: bytes between a connection and the engine, events between the engine and the answers.

Not responsible for any decision (`answers`), for syntax (`wire.server`) or for how many sessions there may be
(`sessions`).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast
from weakref import proxy

from mailroot.edge.protocollog.visit import Visit
from mailroot.edge.tls.contexts import Secured
from mailroot.mail.reply import REPLIES, Reply
from mailroot.service.receive.answers import ANSWERS, Answers
from mailroot.service.receive.door import Work
from mailroot.service.receive.later import Later
from mailroot.service.receive.turn import Turn
from mailroot.service.receive.turned import TurnedConnection
from mailroot.wire.server import ServerEngine

# Replies are small: when a transport's buffer of them is full (64 KiB), the peer does not read, and has this long to.
_WRITE_PATIENCE = 60.0
BY_CLIENT = "closed by the client"


class Registry(Protocol):
    """Who lets sessions in and keeps them (`sessions`). In its `turn` they answer, and write."""

    turn: Turn

    def open(self, session: "Session") -> tuple[ServerEngine, Answers, Reply | Later]:
        """Let a client in, or not: what its session works with, and the first reply, which may take its time."""

    def close(self, session: "Session") -> None:
        """A session is over."""

    def mistake(self, session: "Session", mistake: Exception) -> None:
        """A programming mistake ended a session."""

    def admit_handshake(self, session: "Session") -> bool:
        """Whether one more TLS handshake may begin; if so, `shake_hands` follows."""

    def shake_hands(self, session: "Session", transport: asyncio.Transport) -> "asyncio.Future[Secured | None]":
        """Shake hands with the client; None where that failed, which was told."""


class Session(asyncio.Protocol):
    """One client's connection, from the greeting to its end."""

    __slots__ = (
        "__weakref__",
        "_answers",
        "_deadline",
        "_engine",
        "_loop",
        "_progress",
        "_securing",
        "_sessions",
        "_stuck_since",
        "_transport",
        "_turn",
        "_turned",
        "_waiting",
        "address",
        "ident",
        "over",
        "reason",
        "secured",
        "since",
        "visit",
    )

    _engine: ServerEngine
    _answers: Answers

    def __init__(self, sessions: Registry, loop: asyncio.AbstractEventLoop) -> None:
        self._sessions = sessions
        self._loop = loop
        self._turn = sessions.turn
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Any] | None = None
        self.ident = ""
        self.address = ""
        self.since: datetime | None = None
        self._progress = -1
        self._deadline = self._stuck_since = 0.0
        self.reason = BY_CLIENT
        self.secured: Secured | None = None
        """What the TLS handshake agreed on; None while the connection is in clear."""
        self._securing = False
        self.over: asyncio.Future[None] | None = None
        """Where the connection is one that we opened (ATRN), and whoever did waits for the end."""
        self._turned: TurnedConnection | None = None
        """The connection once it was turned round."""
        self.visit: Visit | None = None
        """Where the protocol log notes what is said; None where none is kept."""

    def local(self) -> str:
        """The address of ours that the client has found; the system is asked."""
        place = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return str(place[0]) if place else ""

    @property
    def hello(self) -> str:
        """What the client called itself."""
        return self._answers.hello

    @property
    def user(self) -> str:
        """The account that the client signed in to; "" while it is anonymous."""
        return self._answers.standing.client.user

    @property
    def messages(self) -> int:
        """Messages accepted in this session."""
        return self._answers.messages

    @property
    def state(self) -> str:
        """Where the session stands, for operators."""
        if self._waiting is None:
            return self._answers.state
        if self._securing:
            return "handshake"
        if self._turned is not None:
            return "turned"
        return "committing" if self._answers.state == "data" else "waiting"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or refuse it."""
        transport = cast("asyncio.Transport", transport)  # uvloop's are none by name
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if not peer:  # the client was gone before it was accepted
            transport.abort()
            return
        self.address = peer[0]
        self._engine, self._answers, greeting = self._sessions.open(self)
        self._answers.door = proxy(self)  # or they would keep each other until somebody looks for such circles
        self._say(self._engine.greet, greeting)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Feed the engine; it is answered when the loop has read what others have said, and at once if it is much."""
        if self.ident:
            self._turn.octets_in += len(data)
            self._engine.feed(data)
            if not self._engine.full:
                self._turn.hear(self)
            elif self._waiting is None:
                self._pump()
            else:
                self._pause()

    def answer(self) -> None:
        """Answer what has come, unless an answer is under way: it goes on by itself then."""
        if self._waiting is None and self._transport is not None:
            self._pump()

    def eof_received(self) -> bool:
        """A client that only closed its side still gets the replies that it is owed."""
        if self.ident:
            self._engine.end_of_input()
            if not self._securing:
                self._pump()
                self._turn.send()  # the transport may close itself when we return
        return self._waiting is not None and self.secured is None  # inside TLS no side closes alone

    def connection_lost(self, _reason: Exception | None) -> None:
        """The end, whoever wanted it. A commit under way goes on: what was received whole is kept."""
        if self.ident:
            self.answer()
            if self._waiting is None:
                self._answers.drop_draft()
            self._answers.end_signing_in()
            self._sessions.close(self)
        if self.over is not None and not self.over.done():
            self.over.set_result(None)
        self._transport = None

    def pause_writing(self) -> None:
        """The peer does not read: it has a limited time to begin, and is not listened to meanwhile."""
        self._stuck_since = self._loop.time()
        self._pause()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._stuck_since = 0.0
        if self._waiting is None and not self._answers.congested:
            self._resume()

    def check(self, now: float) -> None:
        """End the session if the client takes too long; `now` in loop time. Looked at now and then, for all sessions.

        The time runs anew with each complete command or piece of content, and stands still while the store works.
        """
        engine = self._engine
        if self._stuck_since and now - self._stuck_since > min(_WRITE_PATIENCE, engine.timeout):
            self.cut("did not read its replies")
        elif engine.progress != self._progress or self._waiting is not None:
            self._progress = engine.progress
            self._deadline = now + engine.timeout
        elif now >= self._deadline:
            self.end(REPLIES.idle_too_long(fqdn=self._answers.fqdn), "timed out")
            self._stuck_since = self._stuck_since or now

    def cut(self, reason: str) -> None:
        """End at once, without a word."""
        self.reason = reason
        if self._turned is not None:
            self._turned.cut(reason)
        if self._transport is not None:
            self._transport.abort()

    def end(self, reply: Reply, reason: str) -> None:
        """Say why, and close. What the client is still sending is not ours."""
        if self._turned is not None or self._securing:  # nothing can be said in the middle of a handshake
            self.cut(reason)
        elif self._transport is not None:
            self.reason = reason
            self._engine.abort(reply)
            self._flush()

    def begin_tls(self) -> Reply:
        """STARTTLS: yes, unless too many handshakes are under way or the client goes. It begins once this is written.

        Until then nothing is read; what comes after it came through TLS.
        """
        if self._transport is None or self._transport.is_closing() or not self._sessions.admit_handshake(self):
            return REPLIES.tls_busy()
        self._securing = True
        self._transport.pause_reading()
        self._loop.call_soon(self._shake_hands, self._transport)
        return REPLIES.tls_ready()

    def turn_round(self, work: Work) -> Reply:
        """ATRN, TURN: yes. Once this reply is written the connection is `work`'s, who is the client on it.

        The session is there until that ends, so that it is counted, seen, and ended like any other.
        """
        if self._transport is None:
            return REPLIES.turn_unavailable()
        self._loop.call_soon(self._hand_over, self._transport, work)
        return REPLIES.reversing()

    def _hand_over(self, transport: asyncio.Transport, work: Work) -> None:
        if self._transport is not transport or transport.is_closing():
            return
        self._turn.send()
        if self._engine.unread:
            self.cut("spoke before the connection was turned round")
            return
        self._transport = None
        self._turned = TurnedConnection(transport, work, self._loop)
        self._waiting = self._turned.work
        self._waiting.add_done_callback(self._turned_back)

    def _turned_back(self, _work: "asyncio.Future[None]") -> None:
        """The work is done, and the connection with it."""
        assert self._turned is not None
        mistake = self._turned.end()
        if mistake is not None:
            self._sessions.mistake(self, mistake)
            self.reason = "internal error"
        elif self.reason == BY_CLIENT:
            self.reason = "turned round"
        self._waiting = None
        self.connection_lost(None)

    def _shake_hands(self, transport: asyncio.Transport) -> None:
        self._turn.send()
        if self._engine.unread:  # it came in clear, and would be taken for what came through TLS
            self.cut("spoke before the TLS handshake")
        self._waiting = self._sessions.shake_hands(self, transport)
        self._waiting.add_done_callback(self._shook_hands)

    def _shook_hands(self, handshake: "asyncio.Future[Secured | None]") -> None:
        """Go on inside TLS. What was said through it meanwhile was kept, and waits in the engine."""
        self._waiting, self._securing, self._stuck_since = None, False, 0.0  # who shook hands has read
        self.secured = None if handshake.cancelled() else handshake.result()
        if self._transport is None:
            return
        if self.secured is None:
            self.cut("the TLS handshake failed" if self.reason == BY_CLIENT else self.reason)
            self.connection_lost(None)  # nobody else tells
            return
        self._transport = self.secured.transport
        self._engine.secured(self._answers.secured())
        self._go_on()

    @property
    def busy(self) -> bool:
        """Whether a transaction is open, a message is being committed, or mail goes out on the turned connection."""
        return self._answers.in_transaction or self._turned is not None

    def _pump(self) -> None:
        """Answer event after event, then write what is to be written.

        A programming mistake ends its session, not the worker; the client may try again.
        """
        engine, answers = self._engine, self._answers
        try:
            while (event := engine.next_event()) is not None:
                answer = ANSWERS[type(event)](answers, event)
                if answer is None:
                    continue
                if isinstance(answer, Reply):
                    engine.reply(answer)
                elif isinstance(answer, Later):
                    self._say(engine.reply, answer)
                    break
                else:
                    self._waiting = answer
                    answer.add_done_callback(self._committed)
                    break
        except Exception as mistake:  # the task supervisor of a session (design: errors)
            self._break_off(mistake)
        self._flush()
        if answers.congested:
            self._pause()
            answers.when_clear(self._resume)

    def _committed(self, commit: asyncio.Future[Any]) -> None:
        """The store has spoken: answer, then go on with what the client sent meanwhile."""
        self._waiting = None
        try:
            self._engine.reply(self._answers.committed(commit))
        except Exception as mistake:  # the task supervisor of a session (design: errors)
            self._break_off(mistake)
        self._go_on()

    def _say(self, say: Callable[[Reply], None], answer: Reply | Later) -> None:
        """Give the engine its reply by `say`, at once or when it is known; the client waits for it."""
        if isinstance(answer, Reply):
            say(answer)
        else:
            self._waiting = answer.wait
            if self.visit is not None:
                self.visit.waits()
            answer.wait.add_done_callback(partial(self._found_out, say, answer.then))

    def _found_out(
        self, say: Callable[[Reply], None], then: Callable[[Any], Reply | Later], wait: asyncio.Future[Any]
    ) -> None:
        """What an answer waited for is known; who has gone or was ended meanwhile hears no more."""
        self._waiting = None
        if self._transport is None or self._engine.closing:
            return
        if wait.cancelled():
            self.end(REPLIES.shutting_down(fqdn=self._answers.fqdn), "the server stopped")
            return
        try:
            self._say(say, then(wait.result()))
        except Exception as mistake:  # the task supervisor of a session (design: errors)
            self._break_off(mistake)
        if self._waiting is None:
            self._go_on()

    def _go_on(self) -> None:
        """Answer what the client has sent meanwhile, and listen to it again."""
        if self._transport is None:
            return
        self._pump()
        if not self._answers.congested:
            self._resume()

    def _break_off(self, mistake: Exception) -> None:
        """The client may try again, in another session."""
        self._sessions.mistake(self, mistake)
        self._engine.abort(REPLIES.internal_error(fqdn=self._answers.fqdn))
        self.reason = "internal error"

    def _flush(self) -> None:
        transport, engine = self._transport, self._engine
        if transport is None:
            return
        output, closing = engine.output(), engine.closing
        if output or closing:
            self._turn.say(transport, output, closing)
            if output and self.visit is not None:
                self.visit.tell(output)

    def _pause(self) -> None:
        """Read no more while it would not fit: the draft waits for the disk, or the engine for the store."""
        transport = self._transport
        if transport is None or self._securing or transport.is_closing():  # a closed TLS transport cannot be asked
            return
        if transport.is_reading():
            transport.pause_reading()

    def _resume(self) -> None:
        transport = None if self._stuck_since or self._securing else self._transport
        if transport is not None and not transport.is_closing() and not transport.is_reading():
            transport.resume_reading()
