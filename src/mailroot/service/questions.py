"""The questions of one exchange of a mechanism, answered from the accounts within the limits of guessing."""

from typing import assert_never

from mailroot.policy.verdict import Refuse
from mailroot.service.guessing import Guessing
from mailroot.service.signin import Accounts, SecurityContext
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import (
    Answer,
    CheckPassword,
    ContextStep,
    ContextUnwrap,
    ContextWrap,
    CramSecretOf,
    NtHashOf,
    Question,
    ScramKeysOf,
)


class Questions:
    """Answers what one exchange asks. `need` is that of its mechanism. `close` comes last, and always.

    `user` is the name that the exchange asked about last, "" while it has asked about none.
    """

    def __init__(self, accounts: Accounts, guessing: Guessing, address: str, need: Need) -> None:
        self._accounts = accounts
        self._guessing = guessing
        self._address = address
        self._need = need
        self._context: SecurityContext | None = None
        self.user = ""

    async def answer(self, question: Question) -> Answer | Refuse:
        """The answer; or why the client may not try this account now. Raises `Unavailable`."""
        match question:
            case ContextStep() | ContextWrap() | ContextUnwrap():
                return await self._by_context(question)
            case CheckPassword() | ScramKeysOf() | CramSecretOf() | NtHashOf():
                self.user = question.user
                refused = self._guessing.may_try(self._address, question.user)
                return refused or await self._by_name(question)
            case _:
                assert_never(question)

    async def _by_name(self, question: CheckPassword | ScramKeysOf | CramSecretOf | NtHashOf) -> Answer:
        match question:
            case CheckPassword(user, password):
                return await self._accounts.check(user, password)
            case ScramKeysOf(user):
                return await self._accounts.scram_keys(user)
            case CramSecretOf(user):
                return await self._accounts.cram_secret(user)
            case NtHashOf(user, domain):
                return await self._accounts.nt_hash(user, domain)
            case _:
                assert_never(question)

    async def _by_context(self, question: ContextStep | ContextWrap | ContextUnwrap) -> Answer | Refuse:
        if self._context is None:
            # Whose context it will be shows at its end only, so the address alone counts.
            refused = self._guessing.may_try(self._address, "")
            if refused:
                return refused
            self._context = self._accounts.context(self._need)
        match question:
            case ContextStep(token):
                return await self._context.step(token)
            case ContextWrap(data):
                return await self._context.wrap(data)
            case ContextUnwrap(data):
                return await self._context.unwrap(data)
            case _:
                assert_never(question)

    def close(self) -> None:
        """Let go of the context, if there was one."""
        if self._context is not None:
            self._context.close()
            self._context = None
