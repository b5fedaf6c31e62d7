"""Signs a client in: drives the mechanism that AUTH named, asks the accounts, and slows down who guesses.

Not responsible for what a mechanism says (`wire.sasl`), for what accounts know (`accounts`) or for how guesses
are counted. Nothing here tells a client whether an account exists: what differs stands in the log alone.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault
from mailroot.mail.reply import REPLIES, Reply
from mailroot.service.receive.accounts import Accounts, Guesses, SecurityContext
from mailroot.service.receive.later import Later
from mailroot.wire.auth import challenge
from mailroot.wire.events import AuthRequested, AuthResponse
from mailroot.wire.sasl.ntlmwords import claimed_name
from mailroot.wire.sasl.server import Mechanism
from mailroot.wire.sasl.words import (
    Answer,
    Challenge,
    ChannelBinding,
    CheckPassword,
    ContextStep,
    ContextUnwrap,
    ContextWrap,
    CramSecretOf,
    Exchange,
    Malformed,
    NotSignedIn,
    NtHashOf,
    Opening,
    Outcome,
    Question,
    ScramKeysOf,
    SignedIn,
)

# No mechanism of ours needs more challenges; a client that wants more keeps us busy (attack case G14).
_MOST_CHALLENGES = 10
# Accounts answer within limits of their own; this one only ends what should never happen.
_PATIENCE = 120.0
_LONGEST_NAME = 64  # of a name as logs show it: whoever tried it may have sent anything
_RANDOM = 32


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who wants to sign in, for logs and counts; and what ties an exchange to the connection."""

    server: str
    session: str
    address: str
    fqdn: str
    binding: ChannelBinding | None = None


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where clients sign in to one virtual server. `strict` is `words.Opening.strict`."""

    accounts: Accounts
    guesses: Guesses
    strict: bool = False


@dataclass(frozen=True, slots=True)
class _Refused:
    """The client may not try now: whether it has the right password was not looked at, or is not told."""

    cause: str


@dataclass(frozen=True, slots=True)
class _Broken:
    """The accounts could not be asked."""

    cause: str


_End = Outcome | _Refused | _Broken


class SigningIn:
    """One attempt of a client to sign in. `signed_in` is called with the account's name when it succeeds."""

    def __init__(
        self,
        entrance: Entrance,
        mechanism: Mechanism,
        client: Claimant,
        emit: Emit,
        signed_in: Callable[[str], None],
    ) -> None:
        self._mechanism = mechanism
        self._accounts = entrance.accounts
        self._guesses = entrance.guesses
        self._strict = entrance.strict
        self._client = client
        self._emit = emit
        self._signed_in = signed_in
        self._exchange: Exchange | None = None
        self._context: SecurityContext | None = None
        self._challenges = 0
        self._busy = self._closed = False
        self._user = ""

    def begin(self, request: AuthRequested) -> Later:
        """The reply to AUTH: a challenge, or how it ended."""
        client = self._client
        opening = Opening(
            initial=request.initial,
            random=secrets.token_bytes(_RANDOM),
            now=datetime.now(UTC),
            names=(client.fqdn,),
            binding=client.binding,
            strict=self._strict,
        )
        self._exchange = self._mechanism.accept(opening)
        return self._later(None)

    def go_on(self, response: AuthResponse) -> Later:
        """The reply to a response of the client."""
        return self._later(response.data)

    def close(self) -> None:
        """Let go of what the attempt holds: the client gave up, or is gone. May be called twice."""
        self._closed = True
        if not self._busy:
            self._drop()

    def _drop(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None
        if self._context is not None:
            self._context.close()
            self._context = None

    def _later(self, answer: Answer) -> Later:
        self._busy = True
        return Later(asyncio.ensure_future(self._advanced(answer)), self._told)

    async def _advanced(self, answer: Answer) -> Challenge | _End:
        """Go on to the next challenge, or to the end; a failure takes its time before it is told.

        Whoever does not wait for that is counted all the same.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                step = await self._step(answer)
        except (Fault, TimeoutError) as fault:
            step = _Broken(str(fault) or "the accounts did not answer")
        finally:
            self._busy = False
            if self._closed:
                self._drop()
        if isinstance(step, Challenge | SignedIn):
            return step
        self._tell_failure(step.cause)  # at once: who is gone by the time of the reply has failed all the same
        if isinstance(step, NotSignedIn | Malformed):
            await asyncio.sleep(self._guesses.failed(self._client.address, self._user))
        return step

    async def _step(self, answer: Answer) -> Challenge | _End:
        """The next challenge, or the end.

        Many attempts may be under way when a limit is reached. So whether this one may go on is asked before each word
        to the client, the challenge with which SCRAM says yes too: from then on all learn the same.
        """
        exchange = self._exchange
        assert exchange is not None
        refused = self._held_off()
        while refused is None:
            step: Challenge | Question | Outcome
            try:
                step = exchange.send(answer)
            except StopIteration as end:
                step = end.value
            self._user = self._user or _name_in(step)
            refused = self._held_off()
            if isinstance(step, SignedIn | NotSignedIn | Malformed):
                return refused or step
            if isinstance(step, Challenge):
                self._challenges += 1
                too_many = self._challenges > _MOST_CHALLENGES
                return refused or (NotSignedIn("too many challenges") if too_many else step)
            if refused is None:
                answer = await self._answer(step)
        return refused

    def _held_off(self) -> _Refused | None:
        refused = self._guesses.refusal(self._client.address, self._user)
        return None if refused is None else _Refused(refused.cause)

    async def _answer(self, question: Question) -> Answer:
        accounts = self._accounts
        match question:
            case CheckPassword(user, password):
                return await accounts.check(user, password, self._client.address)
            case ScramKeysOf(user):
                return await accounts.scram_keys(user)
            case CramSecretOf(user):
                return await accounts.cram_secret(user)
            case NtHashOf(user, domain):
                return await accounts.nt_hash(user, domain)
        return await self._from_context(question)

    async def _from_context(self, question: ContextStep | ContextWrap | ContextUnwrap) -> Answer:
        if self._context is None:
            self._context = self._accounts.context(self._mechanism.needs)
        match question:
            case ContextStep(token):
                return await self._context.step(token)
            case ContextWrap(data):
                return await self._context.wrap(data)
            case ContextUnwrap(data):
                return await self._context.unwrap(data)
        assert_never(question)

    def _told(self, step: Challenge | _End) -> Reply:
        """What the client hears, and the log."""
        if isinstance(step, Challenge):
            return challenge(step.data)
        self.close()
        if isinstance(step, SignedIn):
            # By the name that was tried: it is the one that is refused or known.
            self._guesses.succeeded(self._client.address, self._user or step.user)
            self._tell_success(step.user)
            self._signed_in(step.user)
            return REPLIES.signed_in()
        if isinstance(step, Malformed):
            return REPLIES.not_base64()
        return REPLIES.not_signed_in() if isinstance(step, NotSignedIn) else REPLIES.sign_in_unavailable()

    def _tell_success(self, user: str) -> None:
        client, name = self._client, self._mechanism.name
        self._emit(
            EVENTS.signed_in,
            server=client.server,
            session=client.session,
            address=client.address,
            user=user,
            mechanism=name,
        )

    def _tell_failure(self, cause: str) -> None:
        client, user = self._client, self._user
        self._emit(
            EVENTS.sign_in_failed,
            server=client.server,
            session=client.session,
            address=client.address,
            user=user if len(user) <= _LONGEST_NAME else f"{user[:_LONGEST_NAME]}...",
            mechanism=self._mechanism.name,
            cause=cause,
        )


def _name_in(step: Challenge | Question | Outcome) -> str:
    """The account that a step is a guess at, with its domain; "" where it is none. Who has signed in made no guess."""
    match step:
        case CheckPassword(user) | ScramKeysOf(user) | CramSecretOf(user):
            return user
        case NtHashOf(user, domain):
            return f"{domain}\\{user}" if domain else user
        case ContextStep(token):
            return claimed_name(token)
        case NotSignedIn(_, user):
            return user
        case _:
            return ""
