"""What the server answers: each event of a session becomes a decision, a step of the draft, or a commit.

Not responsible for syntax and sequence (`wire.server` refuses those by itself) or for the rules (`policy`).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mailroot import __version__
from mailroot.mail.address import Mailbox
from mailroot.mail.counters.layout import STAGE_SLOTS
from mailroot.mail.envelope import Envelope, Recipient
from mailroot.mail.events import EVENTS
from mailroot.mail.faults import DiskFull, Fault, StoreFailed
from mailroot.mail.header import Trace
from mailroot.mail.reply import REPLIES, Reply
from mailroot.mail.status import Status
from mailroot.policy.client import Client, Names
from mailroot.policy.recipient import stamped_recipient, undeliverable
from mailroot.policy.sender import stamped_sender
from mailroot.policy.trace import remark
from mailroot.policy.verdict import Accept, Refuse, Undecided, Verdict
from mailroot.queue.entry import Origin, QueueEntry, SealedDraft
from mailroot.routing.route import DropRoute
from mailroot.service.held.summoning import Summoning
from mailroot.service.intake import Intake, Taking
from mailroot.service.receive.decisions import decide_header, decide_recipient
from mailroot.service.receive.door import Door
from mailroot.service.receive.draft import Draft
from mailroot.service.receive.later import Later
from mailroot.service.receive.marks import marks, source_of
from mailroot.service.receive.signin import Claimant, SigningIn
from mailroot.service.receive.standing import Standing, Standings
from mailroot.service.resolve.directory import Directory, Sight
from mailroot.wire import events as wire
from mailroot.wire.profile import ServerProfile

_RECEIVE, _COMMIT = STAGE_SLOTS["receive"], STAGE_SLOTS["commit"]
_START_INPUT = REPLIES.start_input()

Commit = asyncio.Future[QueueEntry | None]


class Answers:
    """The answers of one session. A transaction is `_mail`, the accepted recipients and, from DATA on, a draft."""

    __slots__ = (
        "_begun",
        "_draft",
        "_intake",
        "_leased",
        "_mail",
        "_origin",
        "_recipients",
        "_rules",
        "_sender",
        "_session",
        "_signing",
        "_standings",
        "_taking",
        "_trace",
        "_unremarked",
        "door",
        "messages",
        "standing",
    )

    door: "Door"

    def __init__(self, standings: Standings, standing: Standing, intake: Intake, session: str) -> None:
        self._standings = standings
        self._rules = rules = standings.rules
        self.standing = standing
        self._intake = intake
        self._session = session
        self._origin = Origin(source_of(standing.right), "", standing.address, session)
        self._trace = Trace(rules.fqdn, __version__, "", standing.address, standing.client.tls)
        self._begun = 0.0
        self._mail: wire.MailFrom | None = None
        self._sender: Mailbox | None = None
        self._recipients: dict[tuple[str, str], Recipient] = {}
        self._taking = Taking()
        self._draft: Draft | None = None
        self._leased = False
        self._unremarked = standing.remarks
        self.messages = 0
        self._signing: SigningIn | None = None
        """The attempt to sign in that is under way, or was the last."""

    @property
    def hello(self) -> str:
        """What the client called itself; "" before it did."""
        return self._origin.hello

    @property
    def fqdn(self) -> str:
        """The server's name in replies."""
        return self._rules.fqdn

    @property
    def in_transaction(self) -> bool:
        """Whether MAIL was accepted and the transaction is still open."""
        return self._mail is not None

    @property
    def state(self) -> str:
        """Where the transaction stands, for operators."""
        if self._draft is not None:
            return "data"
        return "idle" if self._mail is None else "envelope"

    @property
    def congested(self) -> bool:
        """Whether the draft waits for the disk."""
        draft = self._draft
        return draft is not None and not draft.small and draft.congested

    def when_clear(self, resume: Callable[[], None]) -> None:
        """Call `resume` once the draft's disk has caught up."""
        if self._draft is not None:
            self._draft.when_clear(resume)

    def committed(self, commit: Commit) -> Reply:
        """The reply to the end of data, once the store has spoken: 250 only for what survives a power cut."""
        self._recipients = {}
        self._mail, self._draft = None, None
        try:
            entry = commit.result()
        except Fault as fault:
            return self._not_stored(fault)
        self._passed(_COMMIT)
        self.messages += 1
        assert entry is not None  # only Pickup's drafts have claims
        self._intake.accepted(entry, self._leased, self._taking, marks(self.standing.client, self.door.secured))
        return REPLIES.queued(message_id=entry.message_id)

    def _passed(self, stage: int) -> None:
        """A stage of the message's life is over, and the next one begins."""
        moment = time.monotonic()
        self._intake.tally.took(stage, moment - self._begun)
        self._begun = moment

    def _not_stored(self, fault: Fault) -> Reply:
        if isinstance(fault, StoreFailed):
            self._intake.store_failed(fault)
        reply = REPLIES.disk_full() if isinstance(fault, DiskFull) else REPLIES.store_unavailable()
        return self._refused(reply, str(fault))

    def drop_draft(self) -> None:
        """The session ended or the client changed its mind: nothing of the transaction is kept."""
        self._mail = None
        self._recipients = {}
        if self._draft is not None:
            self._draft.drop()
            self._draft = None

    def learn(self, names: Names) -> Standing:
        """Where the client stands, now that its names are known."""
        self._stand(replace(self.standing.client, names=names))
        return self.standing

    def _hello(self, event: wire.Hello) -> None:
        standing = self.standing
        self._unremarked = standing.remarks
        self._origin = Origin(source_of(standing.right), event.name, standing.address, self._session)
        self._trace = Trace(self._rules.fqdn, __version__, event.name, standing.address, standing.client.tls)
        if standing.client.user:
            self._name_user()

    def _stand(self, client: Client) -> None:
        """Where the client stands, now that this is known of it."""
        secured = self.door.secured
        self.standing = self._standings.now_that(client, secured is not None and secured.binding is not None)
        self._origin = replace(self._origin, source=source_of(self.standing.right))

    def secured(self) -> ServerProfile:
        """The connection is encrypted now: what the client said of itself is forgotten (RFC 3207 section 4.2)."""
        self._stand(replace(self.standing.client, tls=True))
        self._hello(wire.Hello("", extended=False))
        return self.standing.profile

    def _auth_requested(self, event: wire.AuthRequested) -> Later:
        entrance, secured = self._rules.entrance, self.door.secured
        assert entrance is not None  # or else nothing was offered
        about = Claimant(
            server=self._rules.key,
            session=self._session,
            address=self.standing.address,
            fqdn=self._rules.fqdn,
            binding=None if secured is None else secured.binding,
        )
        mechanism = self.standing.mechanisms[event.mechanism]
        self._signing = SigningIn(entrance, mechanism, about, self._intake.emit, self._signed_in)
        return self._signing.begin(event)

    def _auth_response(self, event: wire.AuthResponse) -> Later:
        assert self._signing is not None
        return self._signing.go_on(event)

    def end_signing_in(self, _event: wire.AuthEnded | None = None) -> None:
        """The client gave up to sign in, or is gone."""
        if self._signing is not None:
            self._signing.close()
            self._signing = None

    def _signed_in(self, user: str) -> None:
        self._stand(replace(self.standing.client, user=user))
        self._name_user()

    def _name_user(self) -> None:
        if self._rules.settings.access.user_in_received:
            self._trace = replace(self._trace, user=self.standing.client.user)

    def _queue_requested(self, event: wire.QueueRequested) -> Reply | Later:
        return self._summoning().queue(event)

    def _turn_requested(self, event: wire.TurnRequested) -> Reply | Later:
        return self._summoning().turn(event)

    def _summoning(self) -> Summoning:
        assert self._rules.holding is not None  # or else nothing was offered
        return Summoning(self._rules.holding, self.standing.client, self._origin, self.door, self._not_given)

    def _not_given(self, reply: Reply, cause: str) -> Reply:
        self._sender = None
        return self._refused(reply, cause)

    def _tls_requested(self, _event: wire.TlsRequested) -> Reply:
        return self.door.begin_tls()

    def _mail_from(self, event: wire.MailFrom) -> Reply:
        sender = self._sender = stamped_sender(event.sender, self._rules.domains.default)
        verdict = self.standing.sending
        if isinstance(verdict, Refuse):
            return self._refused(verdict.reply, verdict.cause)
        self._mail = event
        self._begun = time.monotonic()
        self._recipients, self._taking = {}, Taking()
        return REPLIES.sender_ok(address="<>" if sender is None else str(sender))

    def _rcpt_to(self, event: wire.RcptTo) -> Reply | Later:
        rules = self._rules
        recipient, place, verdict = decide_recipient(rules, self.standing.right, event.recipient)
        if not isinstance(verdict, Accept):
            return self._not_taken(verdict, event, recipient)
        stamped = stamped_recipient(recipient, place)
        if rules.quotas and place.local and self._over_quota(stamped):
            return self._refused(REPLIES.mailbox_full(), "the Drop folder is over its quota", str(stamped.address))
        if rules.directory is not None and place.local:
            return self._looked_up(rules.directory, recipient, stamped, verdict.cause)
        return self._taken(recipient, stamped, verdict.cause)

    def _taken(self, recipient: Recipient, stamped: Recipient, cause: str) -> Reply:
        # Who is named twice, by an alias perhaps, gets one copy.
        self._recipients.setdefault((stamped.address.local, stamped.address.domain_key), stamped)
        address = str(recipient.address)
        self._taking.add(address, cause)
        return REPLIES.recipient_ok(address=address)

    def _looked_up(self, directory: Directory, recipient: Recipient, stamped: Recipient, cause: str) -> Reply | Later:
        """Refuse whom the directory does not know. One that gives no answer in time is asked from the queue again."""

        def looked(status: Status | None) -> Reply:
            if status is None:
                return self._taken(recipient, stamped, cause)
            refusal = undeliverable(recipient.address, status)
            return self._refused(refusal.reply, refusal.cause, str(recipient.address))

        known = directory.glance(stamped.address)
        return Later(directory.look(stamped.address), looked) if known is Sight.UNKNOWN else looked(known)

    def _not_taken(self, verdict: Verdict | Undecided, event: wire.RcptTo, recipient: Recipient) -> Reply | Later:
        """Refuse; or where the right to relay hangs on the client's names, search for them first."""
        if isinstance(verdict, Refuse):
            return self._refused(verdict.reply, verdict.cause, str(recipient.address))
        assert isinstance(verdict, Undecided) and self._rules.names is not None

        def named(names: Names) -> Reply | Later:
            self.learn(names)
            return self._rcpt_to(event)

        return Later(self._rules.names.listed(self.standing.client.address), named)

    def _over_quota(self, recipient: Recipient) -> bool:
        route = self._rules.plan.route(recipient.address.domain)
        return isinstance(route, DropRoute) and self._intake.over_quota(route)

    def _data_requested(self, event: wire.DataRequested) -> Reply | Later:
        if self._unremarked:
            return self._remarked(event)
        self._draft = self._intake.draft(self._trace, self._sender)
        return _START_INPUT

    def _remarked(self, event: wire.DataRequested) -> Later:
        """Received tells what reverse DNS says of the client, once a session and name; it is waited for here."""
        assert self._rules.names is not None
        address, hello = self.standing.client.address, self.hello

        def named(names: Names) -> Reply | Later:
            self._unremarked = False
            self._trace = replace(self._trace, remark=remark(hello, address, names))
            return self._data_requested(event)

        return Later(self._rules.names.greeted_as(address, hello), named)

    def _body_piece(self, event: wire.BodyPiece) -> None:
        if self._draft is not None:
            self._draft.add(event.data)

    def _body_end(self, _event: wire.BodyEnd) -> Reply | Commit:
        draft = self._draft
        assert draft is not None
        self._passed(_RECEIVE)
        content = draft.seal_small() if draft.small else None
        refusal = self._unwanted(draft)
        if refusal is not None:
            self.drop_draft()
            return refusal
        if content is None:
            return asyncio.ensure_future(self._commit_large(draft))
        return asyncio.ensure_future(self._intake.commit(self._sealed(draft, content)))

    async def _commit_large(self, draft: Draft) -> QueueEntry | None:
        content = await draft.seal()
        return await self._intake.commit(self._sealed(draft, content))

    def _unwanted(self, draft: Draft) -> Reply | None:
        """Why the header makes the message unacceptable; None where it does not."""
        assert draft.stamped is not None
        refuse = decide_header(self._rules, draft.stamped)
        return None if refuse is None else self._refused(refuse.reply, refuse.cause)

    def _sealed(self, draft: Draft, content: Any) -> SealedDraft:
        mail = self._mail
        assert mail is not None and draft.stamped is not None
        recipients = tuple(self._recipients.values())
        envelope = Envelope(self._sender, recipients, mail.body, mail.smtputf8, mail.ret, mail.envid)
        leased = self._leased = self._intake.room(content)
        arrived, message_id = self._intake.now(), draft.stamped.message_id
        return SealedDraft(envelope, content, self._origin, arrived, message_id, None, leased)

    def _body_failed(self, event: wire.BodyFailed) -> None:
        self._refused(event.reply, event.cause)
        self.drop_draft()

    def _reset(self, _event: wire.TransactionReset) -> None:
        self.drop_draft()

    def _fault(self, event: wire.Fault) -> None:
        self._intake.emit(
            EVENTS.protocol_fault,
            server=self._rules.key,
            session=self._session,
            address=self.standing.address,
            kind=event.kind,
            cause=event.cause,
        )

    def _nothing(self, _event: wire.Event) -> None:
        """Quit and the end of the connection change nothing here; the engine has answered."""

    def _refused(self, reply: Reply, cause: str, recipient: str = "") -> Reply:
        self._intake.emit(
            EVENTS.refused,
            server=self._rules.key,
            session=self._session,
            address=self.standing.address,
            sender=str(self._sender or "<>"),
            recipient=recipient,
            reply=reply.text,
            cause=cause,
            **marks(self.standing.client, self.door.secured),
        )
        return reply


# The answer to each event: a reply, at once or later, a commit whose end `Answers.committed` turns into one, or None
# where none is owed.
ANSWERS: dict[type, Callable[[Answers, Any], Reply | Later | Commit | None]] = {
    wire.Hello: Answers._hello,
    wire.MailFrom: Answers._mail_from,
    wire.RcptTo: Answers._rcpt_to,
    wire.DataRequested: Answers._data_requested,
    wire.BodyPiece: Answers._body_piece,
    wire.BodyEnd: Answers._body_end,
    wire.BodyFailed: Answers._body_failed,
    wire.TlsRequested: Answers._tls_requested,
    wire.AuthRequested: Answers._auth_requested,
    wire.AuthResponse: Answers._auth_response,
    wire.AuthEnded: Answers.end_signing_in,
    wire.QueueRequested: Answers._queue_requested,
    wire.TurnRequested: Answers._turn_requested,
    wire.TransactionReset: Answers._reset,
    wire.Fault: Answers._fault,
    wire.Quit: Answers._nothing,
    wire.Disconnected: Answers._nothing,
}
