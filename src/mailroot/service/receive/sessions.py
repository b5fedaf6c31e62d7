"""The sessions of one virtual server in one worker: who is let in, how many, for how long."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mailroot.edge.protocollog.log import ProtocolLog
from mailroot.edge.tls.contexts import Secured
from mailroot.mail.counters.layout import SLOTS
from mailroot.mail.dates import mail_date
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.reply import REPLIES, Reply
from mailroot.policy.client import Names
from mailroot.policy.verdict import Refuse
from mailroot.service.intake import Intake
from mailroot.service.receive.answers import Answers
from mailroot.service.receive.later import Later
from mailroot.service.receive.securing import Securing, TlsFirst
from mailroot.service.receive.session import Session
from mailroot.service.receive.standing import Standing, Standings, invited
from mailroot.service.receive.turn import Turn
from mailroot.service.rules import Rules
from mailroot.wire.server import ServerEngine

_SWEEP = 1.0
_END_PATIENCE = 0.05
_TELL_FULL = 60.0


@dataclass(frozen=True, slots=True)
class SessionCount:
    """How many sessions a virtual server has in all workers: `add` changes our share, `total` adds all up.

    `room`: whether this process has descriptors for one more.
    """

    add: Callable[[int], None]
    total: Callable[[], int]
    room: Callable[[], bool]


class Sessions:
    """Makes and keeps the sessions. A session keeps the rules that were in force when it began."""

    def __init__(
        self,
        rules: Rules,
        intake: Intake,
        count: SessionCount,
        prefix: str,
        securing: Securing,
        log: ProtocolLog | None = None,
    ) -> None:
        self._log = log
        self._standings = Standings(rules)
        self._securing = securing
        self._intake = intake
        self._count = count
        self._prefix = prefix
        self._number = 0
        self._sessions: dict[str, Session] = {}
        self._refusing: Callable[[str], Reply] | None = None
        self._emit: Emit = intake.emit
        self._loop = asyncio.get_running_loop()
        self._told_full = -_TELL_FULL
        self.turn = Turn(self._loop)

    def apply(self, rules: Rules) -> None:
        """Sessions that begin from now on have these rules."""
        self._standings = Standings(rules)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def make(self) -> Session:
        """A session for a connection that is being accepted."""
        return Session(self, self._loop)

    def adopted(self) -> Session:
        """A session on a connection that we opened, and on which the other side sends to us (ATRN)."""
        session = self.make()
        session.over = self._loop.create_future()
        return session

    def make_secured(self) -> TlsFirst:
        """What begins on a connection on which TLS is spoken from the first octet."""
        return TlsFirst(self._accept)

    def admit_handshake(self, session: Session) -> bool:
        """Whether one more TLS handshake may begin; if so, `shake_hands` follows."""
        return self._securing.admit(session.address)

    def shake_hands(self, session: Session, transport: asyncio.Transport) -> asyncio.Future[Secured | None]:
        """Shake hands with the client; None where that failed, which was told."""
        return self._securing.secure(session, transport, self._patience)

    def _accept(self, transport: asyncio.Transport, address: str) -> None:
        self._securing.accept(transport, address, self.make(), self._patience)

    @property
    def _patience(self) -> float:
        return self._rules.settings.general.connection_timeout.total_seconds()

    def open(self, session: Session) -> tuple[ServerEngine, Answers, Reply | Later]:
        """Let a client in, or not: what its session works with, and the first reply, which may take its time."""
        self._number += 1
        session.ident = f"{self._prefix}{self._number:x}"
        session.since = self._intake.now()
        standings = self._standings
        standing = standings.of(session.address)
        if session.secured is not None:
            binding = session.secured.binding is not None
            standing = standings.now_that(replace(standing.client, tls=True), binding)
        if session.over is not None:
            standing = invited(standing)
        refusal = self._refusal(standings.rules, standing, session)
        self._sessions[session.ident] = session
        self._count.add(1)
        self._intake.tally.add(SLOTS.inbound_connections)
        answers = Answers(standings, standing, self._intake, session.ident)
        if refusal is not None:
            greeting: Reply | Later = refusal
        elif standing.asks_names:
            greeting = self._once_named(session, answers, standings)
        else:
            greeting = self._greeting(standings)
        if self._log is None or not self._log.enabled:
            return ServerEngine(standing.profile), answers, greeting
        visit = session.visit = self._log.visit(session.ident, session.address, session.local)
        return ServerEngine(standing.profile, visit.journal), answers, greeting

    def _greeting(self, standings: Standings) -> Reply:
        return standings.greeting(mail_date(self._intake.local_now()))

    def _once_named(self, session: Session, answers: Answers, standings: Standings) -> Reply | Later:
        """The greeting to a client whose names matter; it waits where they decide whether the client may connect."""
        rules, standing = standings.rules, answers.standing
        assert rules.names is not None
        if standing.remarks:
            rules.names.begin(standing.client.address)
        if not standing.undecided:
            return self._greeting(standings)

        def named(names: Names) -> Reply:
            refused = answers.learn(names).refused
            if self._refusing is not None:
                return self._refusing(rules.fqdn)
            return self._greeting(standings) if refused is None else self._refused(session, refused)

        return Later(rules.names.listed(standing.client.address), named)

    def close(self, session: Session) -> None:
        """A session is over."""
        if self._sessions.pop(session.ident, None) is None:
            return
        self._count.add(-1)
        if session.visit is not None:
            session.visit.end()
        self._emit(
            EVENTS.disconnected,
            server=self._rules.key,
            session=session.ident,
            address=session.address,
            hello=session.hello,
            messages=session.messages,
            reason=session.reason,
            **({"tls": session.secured.version} if session.secured is not None else {}),
        )

    def mistake(self, session: Session, mistake: Exception) -> None:
        """A programming mistake ended a session."""
        key = self._rules.key
        self._emit(EVENTS.task_failed, server=key, task=f"session {session.ident}", cause=repr(mistake))

    def pause(self) -> None:
        """Refuse new clients; sessions that are open go on."""
        self._refusing = lambda fqdn: REPLIES.paused(fqdn=fqdn)

    def resume(self) -> None:
        """Let clients in again."""
        self._refusing = None

    async def sweep(self) -> None:
        """End the sessions whose clients took too long; one look a second costs less than a timer for each reply."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            for session in self:
                session.check(now)
            self.count_octets()

    def count_octets(self) -> None:
        """Count what came and went since the last time: once a second costs nothing, as each message would."""
        turn, tally = self.turn, self._intake.tally
        tally.add(SLOTS.bytes_received, turn.octets_in)
        tally.add(SLOTS.bytes_sent, turn.octets_out)
        turn.octets_in = turn.octets_out = 0

    async def drain(self, patience: float) -> None:
        """Let transactions that are under way end, for `patience` seconds; end all other sessions at once."""
        self._refusing = lambda fqdn: REPLIES.shutting_down(fqdn=fqdn)
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while self._sessions:
            over = loop.time() >= until
            for session in self:
                if over or not session.busy:
                    session.end(REPLIES.shutting_down(fqdn=self._rules.fqdn), "the server stopped")
            if over:
                self.turn.send()
                break
            await asyncio.sleep(_END_PATIENCE)

    def end(self, ident: str, cause: str) -> bool:
        """End one session; whether there was one."""
        session = self._sessions.get(ident)
        if session is None:
            return False
        session.end(REPLIES.shutting_down(fqdn=self._rules.fqdn), cause)
        return True

    @property
    def _rules(self) -> Rules:
        return self._standings.rules

    def _refusal(self, rules: Rules, standing: Standing, session: Session) -> Reply | None:
        if self._refusing is not None:
            return self._refusing(rules.fqdn)
        refused = standing.refused
        limit = rules.settings.general.connection_limit
        if limit and session.over is None and self._count.total() >= limit:
            refused = self._full(rules, f"general.connection_limit of {limit} is reached")
        elif not self._count.room():
            refused = self._full(rules, "this process may not open more descriptors (ulimit -n)")
        return None if refused is None else self._refused(session, refused)

    def _full(self, rules: Rules, cause: str) -> Refuse:
        """There are too many sessions. Each client is told; operators are once a minute, besides."""
        if self._loop.time() >= self._told_full + _TELL_FULL:
            self._told_full = self._loop.time()
            self._emit(EVENTS.connections_full, server=rules.key, cause=cause)
        return Refuse(REPLIES.too_many_connections(fqdn=rules.fqdn), cause)

    def _refused(self, session: Session, refused: Refuse) -> Reply:
        self._emit(
            EVENTS.connection_refused,
            server=self._rules.key,
            session=session.ident,
            address=session.address,
            cause=refused.cause,
        )
        return refused.reply
