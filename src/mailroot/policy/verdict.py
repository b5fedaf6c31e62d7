"""Verdicts: a decision with its public reply and its private cause."""

from dataclasses import dataclass

from mailroot.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes. `cause` names the rule that decided, for the log."""

    cause: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """No. `reply` goes to the client, `cause` only to the log."""

    reply: Reply
    cause: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Say yes and forget the message. `cause` goes to the log."""

    cause: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """Not yet: the client's names must be known first. `cause` names the rule that asks for them."""

    cause: str


Verdict = Accept | Refuse | Discard
