"""Signing in to another server: by which mechanism, with which secret, and what became of it.

A refusal to let us in says nothing of a recipient: the mail waits, whatever the reply's first digit. Not responsible
for the mechanisms (`wire.sasl`) or the commands (`wire.presenting`).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from mailroot.edge.outgoing import Connection
from mailroot.edge.tls.binding import end_point_binding
from mailroot.edge.tls.outgoing import Secured
from mailroot.edge.tokens import TokenFailed, Tokens
from mailroot.mail.status import Disposition, Status
from mailroot.routing.exchangers import Host
from mailroot.settings.delivery import Authentication, OutboundSecurity
from mailroot.wire.client import Peer, Say
from mailroot.wire.echo import Echo
from mailroot.wire.outcome import status_of
from mailroot.wire.presenting import ContextAnswer, ContextQuestion, Presented, mechanisms, present
from mailroot.wire.refusals import known_refusal
from mailroot.wire.replies import NoReply
from mailroot.wire.sasl.client import ClientMechanism, Means, Way, choose
from mailroot.wire.sasl.words import ChannelBinding, ClientOpening, ContextFailed, Credentials

# A server that refuses one mechanism may take another; who tries all of them locks accounts.
_ATTEMPTS = 3
# RFC 4954 section 4, and what the predecessor says: the mechanism is not known, not for this account, too weak.
_OTHER_MECHANISM = {"5.7.4", "5.5.4", "5.7.9"}
_WAYS = {
    Authentication.BASIC: Way.BASIC,
    Authentication.INTEGRATED: Way.INTEGRATED,
    Authentication.OAUTH2: Way.OAUTH2,
}


class Context(Protocol):
    """A security context of GSSAPI with one server, as a client."""

    async def answer(self, question: ContextQuestion) -> ContextAnswer:
        """What the context makes of a question of a mechanism. Never raises: `ContextFailed` says what went wrong."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """What it takes to sign in. `context` makes a context for the credentials and the host's name, None if none."""

    tokens: Tokens
    context: Callable[[OutboundSecurity, str], Context | None]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Meeting:
    """A server that we met, on a connection, with the TLS of it and the credentials for it."""

    host: Host
    connection: Connection
    peer: Peer
    secured: Secured | None
    security: OutboundSecurity
    longest: float


async def sign_in(meeting: Meeting, wallet: Wallet) -> str | Status:
    """The mechanism by which we are signed in; a status where we are not."""
    return await _SignIn(meeting, wallet).outcome()


class _SignIn:
    """One sign-in, of up to `_ATTEMPTS` attempts."""

    def __init__(self, meeting: Meeting, wallet: Wallet) -> None:
        security, name = meeting.security, meeting.host.name
        self._meeting = meeting
        self._wallet = wallet
        self._way = _WAYS[security.authentication]
        self._offered = list(mechanisms(meeting.peer.offer))
        self._binding = end_point_binding(meeting.secured.certificate) if meeting.secured is not None else None
        self._context = wallet.context(security, name) if self._way is Way.INTEGRATED else None
        self._renewed = False
        self._echo = meeting.connection.echo = Echo()

    async def outcome(self) -> str | Status:
        last: Status | None = None
        for _ in range(_ATTEMPTS):
            row = self._choice()
            if row is None:
                return last or self._nothing_fits()
            credentials = await self._credentials()
            if isinstance(credentials, TokenFailed):
                return self._no_token(credentials)
            presented = await self._presented(row, credentials)
            if presented.accepted:
                return row.name
            last = self._refused(row, presented)
            if not self._goes_on(row, presented, credentials):
                return last
        assert last is not None
        return last

    def _choice(self) -> ClientMechanism | None:
        security = self._meeting.security
        offered = self._offered
        if self._way is Way.INTEGRATED and not security.username:
            offered = [name for name in offered if name == "GSSAPI"]  # the ticket of the service itself, or nothing
        reveal = self._meeting.secured is not None or security.password_without_tls
        return choose(offered, Means(self._way, reveal, self._binding is not None, self._context is not None))

    async def _credentials(self) -> Credentials | TokenFailed:
        security = self._meeting.security
        if self._way is Way.OAUTH2:
            token = await self._wallet.tokens.token(security.oauth2)
            return token if isinstance(token, TokenFailed) else Credentials(security.username, token=token)
        domain, backslash, user = security.username.partition("\\")
        if self._way is Way.INTEGRATED and backslash:
            return Credentials(user, security.password, domain=domain)
        return Credentials(security.username, security.password)

    async def _presented(self, row: ClientMechanism, credentials: Credentials) -> Presented:
        meeting = self._meeting
        host = meeting.host
        opening = ClientOpening(
            credentials, host.name.strip("[]"), host.port, secrets.token_bytes(32), self._wallet.now(), self._bound(row)
        )
        script = present(row.name, row.present(opening))
        self._echo.keep(credentials.password, credentials.token)
        try:
            step = next(script)
            while True:
                if isinstance(step, Say):
                    wait = min(step.wait, meeting.longest)
                    self._echo.said(step.octets)
                    step = script.send(await meeting.connection.exchange(step.octets, step.replies, wait))
                elif self._context is not None:
                    step = script.send(await self._context.answer(step))
                else:
                    step = script.send(ContextFailed("there is no security context here"))
        except StopIteration as end:
            result: Presented = end.value
            last = result.reply  # a challenge may be the last word too
            shown = last if last is None or isinstance(last, NoReply) else self._echo.hide(last)
            return replace(result, cause=self._echo.hide_in(result.cause), reply=shown)

    def _bound(self, row: ClientMechanism) -> ChannelBinding | None:
        """NTLM takes the binding along in any case; others only where their name says so."""
        return self._binding if row.binds or self._way is Way.INTEGRATED else None

    # -- after a refusal

    def _goes_on(self, row: ClientMechanism, presented: Presented, credentials: Credentials) -> bool:
        """Whether there is sense in another attempt; it is prepared then."""
        reply = presented.reply
        if isinstance(reply, NoReply) or not self._meeting.connection.usable:
            return False
        if row.context and not presented.proven:
            self._offered.remove(row.name)  # no ticket was to be had; nothing was shown to anybody
            return True
        if not presented.proven or reply is None or reply.code // 100 != 5:
            return False
        if self._way is Way.OAUTH2 and reply.code == 535 and not self._renewed:
            # A token may die before its time: one more is asked for, once.
            self._renewed = True
            self._wallet.tokens.refused(self._meeting.security.oauth2, credentials.token)
            return True
        self._offered.remove(row.name)
        if row.binds:
            self._binding = None
        # The account may lack the keys of a mechanism that shows no password; a password is wrong but once.
        return reply.code == 504 or reply.enhanced in _OTHER_MECHANISM or not row.reveals

    def _refused(self, row: ClientMechanism, presented: Presented) -> Status:
        reply, name = presented.reply, self._meeting.host.name
        if isinstance(reply, NoReply):
            return status_of(reply, name)
        meant = known_refusal(reply.text) if reply is not None else None
        words = "; ".join(part for part in (presented.cause, meant.meaning if meant else "") if part)
        status = self._delayed("4.7.8", f"did not let us sign in ({row.name})" + (f": {words}" if words else ""))
        return replace(status, reply=reply.text) if reply is not None else status

    def _nothing_fits(self) -> Status:
        offered = ", ".join(mechanisms(self._meeting.peer.offer))
        security, in_clear = self._meeting.security, self._meeting.secured is None
        if not offered:
            more = ", at least not without TLS" if in_clear else ""
            return self._delayed("4.7.0", f"does not let anybody sign in{more}")
        hidden = Means(self._way, True, self._binding is not None, self._context is not None)
        if in_clear and choose(mechanisms(self._meeting.peer.offer), hidden) is not None:
            return self._delayed(
                "4.7.11", f"offers only ways to sign in that show the password ({offered}), and there is no TLS"
            )
        return self._delayed("4.7.4", f"offers no way to sign in for {security.authentication.value}, but {offered}")

    def _no_token(self, failed: TokenFailed) -> Status:
        oauth2 = self._meeting.security.oauth2
        source = oauth2.token_url or oauth2.token_command[0]
        meant = known_refusal(failed.cause)
        words = f"{failed.cause} ({meant.meaning})" if meant else failed.cause
        reason = f"No access token for {self._meeting.host.name} could be had from {source}: {words}."
        return Status(Disposition.DELAYED, "4.7.0", reason, remote=self._meeting.host.name)

    def _delayed(self, code: str, clause: str) -> Status:
        host = self._meeting.host
        place = f"{host.name} ({host.address}, port {host.port})"
        return Status(Disposition.DELAYED, code, f"{place} {clause}.", remote=host.name)
