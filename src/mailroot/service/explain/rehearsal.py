"""The session of a case, rehearsed: the engine of live sessions hears the client's commands, and the functions that
decide for live mail answer. Nothing is stored, waited for or asked of anybody.

Not responsible for the way on from there (`outlook`), or for what hangs on the moment: limits that are reached, quotas,
failed sign-ins that were counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from mailroot import __version__
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.header import Made, Trace, stamp
from mailroot.mail.reply import REPLIES, Reply
from mailroot.policy.chain import Finding, Step, connecting, verdict_step
from mailroot.policy.client import NOT_ASKED, Client, Names, client_address
from mailroot.policy.recipient import Place, stamped_recipient
from mailroot.policy.sender import stamped_sender
from mailroot.policy.verdict import Accept, Refuse, Undecided, Verdict
from mailroot.service.explain.case import Case
from mailroot.service.explain.limits import engine_cause
from mailroot.service.receive.decisions import decide_header, decide_recipient
from mailroot.service.receive.standing import Standing, standing_of
from mailroot.service.rules import Rules
from mailroot.wire import events as wire
from mailroot.wire.server import ServerEngine

SOME_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the session makes of one recipient, which is `asked` as the client wrote it.

    `recipient` is who the message is for from then on, with the place of its domain; None where it was not taken, or
    never asked about. `open`: what it hears hangs on something that is not known here.
    """

    asked: str
    reply: str
    verdict: Verdict | Undecided | None = None
    recipient: Recipient | None = None
    place: Place | None = None
    open: bool = False


@dataclass(slots=True)
class Rehearsed:
    """How the session goes: its steps, what it says of each recipient, and of the message at last.

    `standing` is the client's at the end; None for Pickup, which has no client. `reply` is the last one of weight: the
    refusal that ended it, or the answer to the message. `dialogue` has the commands with the lines that answer them.
    """

    standing: Standing | None
    steps: list[Step] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    dialogue: list[tuple[str, list[str]]] = field(default_factory=list)
    sender: Mailbox | None = None
    reply: str = ""
    accepted: bool = False
    hops: int = 0
    """Received fields that the message has when it comes."""

    @property
    def open(self) -> bool:
        """Whether something that is not known here decides."""
        return any(step.finding is Finding.OPEN for step in self.steps) or any(one.open for one in self.heard)


def rehearse(rules: Rules, case: Case, names: Names = NOT_ASKED) -> Rehearsed:
    """Rehearse the session of a case. `names` are the client's, where somebody looked for them.

    Raises `ValueError` where the client's address is none.
    """
    return _Rehearsal(rules, case, names).play()


class _Rehearsal:
    def __init__(self, rules: Rules, case: Case, names: Names) -> None:
        self._rules = rules
        self._case = case
        client = Client(client_address(case.client), tls=case.implicit, names=names)
        self._standing = standing_of(rules, client)
        self._engine = ServerEngine(self._standing.profile)
        self._result = Rehearsed(self._standing)
        self._content: list[bytes] = []
        self._verdict: Verdict | Undecided | None = None
        self._heard: Heard | None = None
        self._handshake = False
        self._fault = ""

    def play(self) -> Rehearsed:
        """The whole session, up to the first refusal that ends it."""
        result = self._result
        acts = (self._connect, self._secure, self._sign_in, self._send)
        if all(act() for act in acts):
            self._name_recipients()
            if any(one.recipient is not None for one in result.heard):
                self._hand_over()
        else:
            result.heard = [Heard(asked, result.reply) for asked in self._case.recipients]
        result.standing = self._standing
        return result

    # -- the acts of the client, each true where it may go on

    def _connect(self) -> bool:
        step = connecting(self._standing.client, self._rules.settings.access)
        self._result.steps.append(step)
        refused = self._standing.refused
        greeting = REPLIES.greeting(fqdn=self._rules.fqdn, banner=self._rules.settings.general.banner, date="")
        self._engine.greet(greeting if refused is None else refused.reply)
        self._note("", self._lines())
        if refused is not None:
            self._result.reply = refused.reply.text
            return False
        return self._greet()

    def _greet(self) -> bool:
        hello = self._case.hello or f"[{'IPv6:' if ':' in self._standing.address else ''}{self._standing.address}]"
        return self._positive("EHLO", f"EHLO {hello}")

    def _secure(self) -> bool:
        access = self._rules.settings.access
        if self._case.implicit:
            self._hold("TLS", "TLS comes first on this binding")
        elif not self._case.tls:
            self._hold("TLS", f'the connection stays in clear; access.tls is "{access.tls.value}"', Finding.NOTE)
        elif not self._positive("TLS", "STARTTLS"):
            return False
        else:
            self._hold("TLS", f'access.tls is "{access.tls.value}": STARTTLS is offered')
            return self._greet()
        return True

    def _sign_in(self) -> bool:
        user, profile = self._case.user, self._standing.profile
        mechanisms = profile.mechanisms
        if not user:
            without = "AUTH is offered inside TLS alone" if profile.auth_needs_tls else "AUTH is not offered"
            offered = f"AUTH {' '.join(mechanisms)} is offered" if mechanisms else without
            self._hold("authentication", f"the client is anonymous; {offered}", Finding.NOTE)
            return True
        if not self._positive("authentication", f"AUTH {mechanisms[0] if mechanisms else 'PLAIN'}"):
            return False
        self._hold("authentication", f"signed in as {user}, whose password is taken to be right")
        self._stand(Client(self._standing.client.address, user, self._standing.client.tls, self._standing.client.names))
        return True

    def _send(self) -> bool:
        case = self._case
        size = "" if case.size is None else f" SIZE={case.size}"
        utf8 = "" if all(one.isascii() for one in (case.sender, *case.recipients)) else " SMTPUTF8"
        self._verdict = None
        taken = self._positive("sender", f"MAIL FROM:<{case.sender}>{size}{utf8}", self._verdict_of)
        if taken and self._verdict is not None:
            self._result.steps.append(verdict_step("sender", self._verdict))
        return taken

    def _name_recipients(self) -> None:
        for asked in self._case.recipients:
            self._heard = None
            lines = self._say(f"RCPT TO:<{asked}>")
            heard = self._heard
            self._result.reply = _text(lines)
            if heard is None:  # the engine refused it by itself
                cause = self._fault or engine_cause(self._rules, self._result.reply)
                heard = Heard(asked, _text(lines), Refuse(Reply(0, "", (_text(lines),)), cause))
            reply = "" if heard.open else _text(lines)  # what stands in for the answer is none
            self._result.heard.append(replace(heard, asked=asked, reply=reply))

    def _hand_over(self) -> None:
        lines = self._say("DATA")
        if not lines[-1].startswith("354"):
            self._result.reply = _text(lines)
            return
        content = "".join(f"{'.' * line.startswith('.')}{line}\r\n" for line in (*self._case.headers, ""))
        self._result.reply = _text(self._say(f"{content}.", shown="."))
        self._result.accepted = self._result.reply.startswith("2")

    # -- how a command goes

    def _positive(self, name: str, command: str, cause: Callable[[], Step | None] = lambda: None) -> bool:
        """Whether the command was taken; a refusal becomes a step."""
        lines = self._say(command)
        if lines and lines[-1][:1] in "23":
            return True
        text = _text(lines)
        own = cause()
        why = own.cause if own is not None else engine_cause(self._rules, text) or self._fault
        self._result.steps.append(Step(name, Finding.FAILS, why, own.lost if own is not None else (), text))
        self._result.reply = text
        return False

    def _verdict_of(self) -> Step | None:
        return None if self._verdict is None else verdict_step("sender", self._verdict)

    def _say(self, command: str, shown: str = "") -> list[str]:
        """What the server says to a command."""
        engine = self._engine
        self._fault = ""
        engine.feed(command.encode("utf-8", "surrogateescape") + b"\r\n")
        while (event := engine.next_event()) is not None:
            reply = _ANSWERS[type(event)](self, event) if type(event) in _ANSWERS else None
            if reply is not None:
                engine.reply(reply)
        lines = self._lines()
        self._note(shown or command, lines)
        if self._handshake:
            self._handshake = False
            client = self._standing.client
            self._stand(Client(client.address, client.user, tls=True, names=client.names))
            engine.secured(self._standing.profile)
        return lines

    def _lines(self) -> list[str]:
        return self._engine.output().decode().split("\r\n")[:-1]

    def _note(self, command: str, lines: list[str]) -> None:
        self._result.dialogue.append((command, lines))

    def _hold(self, name: str, cause: str, finding: Finding = Finding.HOLDS) -> None:
        self._result.steps.append(Step(name, finding, cause))

    def _stand(self, client: Client) -> None:
        self._standing = standing_of(self._rules, client)

    # -- the events of the engine; a reply where one is owed (as `service.receive.answers` for live sessions)

    def _tls_requested(self, _event: wire.TlsRequested) -> Reply:
        self._handshake = True
        return REPLIES.tls_ready()

    def _auth_requested(self, _event: wire.AuthRequested) -> Reply:
        return REPLIES.signed_in()

    def _mail_from(self, event: wire.MailFrom) -> Reply:
        sender = self._result.sender = stamped_sender(event.sender, self._rules.domains.default)
        self._verdict = verdict = self._standing.sending
        if isinstance(verdict, Refuse):
            return verdict.reply
        return REPLIES.sender_ok(address="<>" if sender is None else str(sender))

    def _rcpt_to(self, event: wire.RcptTo) -> Reply:
        recipient, place, verdict = decide_recipient(self._rules, self._standing.right, event.recipient)
        if isinstance(verdict, Accept):
            self._heard = Heard("", "", verdict, stamped_recipient(recipient, place), place)
            return REPLIES.recipient_ok(address=str(recipient.address))
        self._heard = Heard("", "", verdict, None, place, isinstance(verdict, Undecided))
        return verdict.reply if isinstance(verdict, Refuse) else REPLIES.relay_uncertain(address=recipient.address)

    def _data_requested(self, _event: wire.DataRequested) -> Reply:
        return REPLIES.start_input()

    def _body_piece(self, event: wire.BodyPiece) -> None:
        self._content.append(event.data)

    def _body_end(self, _event: wire.BodyEnd) -> Reply:
        rules, sender = self._rules, self._result.sender
        trace = Trace(rules.fqdn, __version__, self._case.hello, self._standing.address, self._standing.client.tls)
        made = Made(SOME_MOMENT, "" if sender is None else str(sender), "A" * 19, 0)
        stamped = stamp(b"".join(self._content), trace, made)
        refuse = decide_header(rules, stamped)
        if refuse is not None:
            self._result.steps.append(verdict_step("message", refuse))
            return refuse.reply
        self._result.hops = stamped.hops
        hops = f"{stamped.hops} Received fields, delivery.hop_count is {rules.settings.delivery.hop_count}"
        self._hold("message", hops)
        return REPLIES.queued(message_id=stamped.message_id)

    def _fault_noted(self, event: wire.Fault) -> None:
        self._fault = event.cause


_ANSWERS: dict[type, Callable[[_Rehearsal, Any], Reply | None]] = {
    wire.TlsRequested: _Rehearsal._tls_requested,
    wire.AuthRequested: _Rehearsal._auth_requested,
    wire.MailFrom: _Rehearsal._mail_from,
    wire.RcptTo: _Rehearsal._rcpt_to,
    wire.DataRequested: _Rehearsal._data_requested,
    wire.BodyPiece: _Rehearsal._body_piece,
    wire.BodyEnd: _Rehearsal._body_end,
    wire.Fault: _Rehearsal._fault_noted,
}


def _text(lines: list[str]) -> str:
    """A reply on one line, as logs show it."""
    return " ".join([*lines[:1], *(line[4:] for line in lines[1:])]).rstrip()
