"""Drives mechanisms in tests: accounts that answer from memory, and a client's side against a server's."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mailroot.wire.sasl.keys import cram_secret, nt_hash, scram_keys
from mailroot.wire.sasl.words import (
    Abandoned,
    Answer,
    Challenge,
    ChannelBinding,
    CheckPassword,
    ClientOpening,
    CramSecretOf,
    Credentials,
    Exchange,
    NtHashOf,
    Opening,
    Outcome,
    Presentation,
    Question,
    Response,
    ScramKeysOf,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OPENING = Opening(None, bytes(range(32)), NOW, ("mail.example.com",))
BINDING = ChannelBinding(b"certificate's hash")
OTHER_BINDING = ChannelBinding(b"another's hash")
USER, PASSWORD = "ann", "p\u00e4ss wort"
CLIENT_OPENING = ClientOpening(Credentials(USER, PASSWORD), "mail.example.com", 587, bytes(range(32, 64)), NOW)


@dataclass
class Book:
    """Accounts in memory; what was asked is kept."""

    passwords: dict[str, str] = field(default_factory=lambda: {USER: PASSWORD})
    asked: list[Question] = field(default_factory=list)

    def answer(self, question: Question) -> Answer:
        self.asked.append(question)
        match question:
            case CheckPassword(user, password):
                return self.passwords.get(user) == password
            case ScramKeysOf(user):
                return scram_keys(self.passwords.get(user, "nobody's"), b"salt" * 4)
            case CramSecretOf(user):
                return cram_secret(self.passwords[user]) if user in self.passwords else None
            case NtHashOf(user, _):
                return nt_hash(self.passwords[user]) if user in self.passwords else None
        raise AssertionError(question)


def accept(exchange: Exchange, responses: Iterable[bytes], book: Book | None = None) -> tuple[list[bytes], Outcome]:
    """Run a server's mechanism over the responses; returns its challenges and the outcome."""
    book = book or Book()
    coming = iter(responses)
    challenges: list[bytes] = []
    answer: Answer = None
    while True:
        try:
            step = exchange.send(answer)
        except StopIteration as end:
            return challenges, end.value
        if isinstance(step, Challenge):
            challenges.append(step.data)
            answer = next(coming)
        else:
            answer = book.answer(step)


def converse(
    accepting, presentation: Presentation, opening: Opening = OPENING, book: Book | None = None
) -> Outcome | Abandoned:
    """Run a client's mechanism against a server's."""
    book = book or Book()
    first = presentation.send(None)
    assert isinstance(first, Response)
    exchange = accepting(replace(opening, initial=first.data))
    answer: Answer = None
    while True:
        try:
            step = exchange.send(answer)
        except StopIteration as end:
            return end.value
        if not isinstance(step, Challenge):
            answer = book.answer(step)
            continue
        try:
            reaction = presentation.send(step.data)
        except StopIteration as end:
            assert isinstance(end.value, Abandoned), "the client was done before the server"
            return end.value
        assert isinstance(reaction, Response)
        assert reaction.data is not None
        answer = reaction.data
