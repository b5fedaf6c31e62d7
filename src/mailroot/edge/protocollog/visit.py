"""A client's connection: what was said on it, from the notes of the engine and the replies as they were written.

The session calls `tell` with each piece of output; the writer's thread makes entries of that. So all that costs time
happens in the writer: the pairing of replies with commands, and what the predecessor's fields ask for (facts 6).
"""

import functools
from dataclasses import dataclass
from time import time
from typing import Any

from mailroot.edge.protocollog.entry import NOTHING, Entry, Party, leading, name, plain
from mailroot.edge.protocollog.recorder import COMMAND_SIZE, WAITING_LIMIT, Record, Recorder
from mailroot.wire.journal import Journal, Said
from mailroot.wire.verbs import TABLE

_LEFT = "240"
_UNANSWERED = "0"
_LONGEST_VERB = 32
_QUEUED = b"250 2.6.0 <"
_VERBS = {verb: row.verb for verb, row in TABLE.items()}
# Those that have no more to them than a command and its reply.
_USUAL = {verb: method for verb, method in _VERBS.items() if verb not in {b"HELO", b"EHLO", b"BDAT", b"QUIT"}}
_CODES = {b"%d" % code: str(code) for code in range(200, 600)}
_CHALLENGE, _INVITATION = _CODES[b"334"], _CODES[b"354"]


@dataclass(slots=True)
class _Open:
    """A command whose last reply is still to come: DATA after its 354, AUTH after a 334."""

    line: bytes
    since: float
    sent: int
    received: int


class Visit:
    """One session. `ours` is in every Message-ID that this process makes.

    `journal` is for the engine. `tell` and `end` are called by the session, `read` by the writer.
    """

    __slots__ = (
        "_began",
        "_greeted",
        "_hello",
        "_left",
        "_open",
        "_ours",
        "_owed",
        "_party",
        "_recorder",
        "_waiting",
        "journal",
        "since",
    )

    def __init__(self, recorder: Recorder, party: Party, ours: bytes) -> None:
        self._recorder = recorder
        self._waiting = recorder.waiting
        self._party = party
        self._ours = ours
        self._began = time()
        self.journal: Journal = []
        self.since = 0.0
        """Since when the client waits for a reply that takes its time; 0.0 where none does."""
        self._hello = NOTHING
        self._owed: list[Said] = []
        self._open: _Open | None = None
        self._greeted = self._left = False

    # -- what the session calls

    def tell(self, octets: bytes) -> None:
        """These replies are written, to what is in the journal."""
        journal = self.journal
        waiting = self._waiting
        if len(journal) == 1 and len(waiting) < WAITING_LIMIT:
            waiting.append((self, time(), self.since, octets, journal.pop()))
        else:
            group = sum([len(said) for said in journal if isinstance(said, bytes)])
            group += len(octets) + COMMAND_SIZE * len(journal)
            self._recorder.take((self, time(), self.since, octets, journal[:]), group)
            journal.clear()
        self.since = 0.0

    def waits(self) -> None:
        """A reply takes its time, beginning now."""
        self.since = time()

    def end(self) -> None:
        """The connection is gone."""
        self._recorder.take((self, time(), 0.0, None, self.journal[:]))

    # -- what the writer calls

    def read(self, record: Record, entries: list[Entry]) -> None:
        """Add to the entries what a record tells."""
        _, at, since, output, noted = record
        if output is None:
            if not self._left or noted or self._owed or self._open is not None:
                self._gone(at, self._all_owed(noted), entries)
            return
        if self._owed or noted.__class__ is list:
            self._group(at, since, output, noted, entries)
            return
        # Nearly always one command has one reply, and that one line.
        line = output.find(b"\n") == len(output) - 1
        if line and self._greeted:
            if self._open is None:
                if noted.__class__ is bytes and self._usual(at, since, output, noted, entries):
                    return
            elif noted.__class__ is int:
                self._gone_on(at, output, noted, entries)
                return
        if not line and len(_replies(output)) > 1:
            self._group(at, since, output, noted, entries)
        elif not self._answered(at, since or at, output, noted, entries):
            self._owed = [noted]

    def _group(self, at: float, since: float, output: bytes, noted: Any, entries: list[Entry]) -> None:
        """Several commands, or several replies; the greeting is to nothing."""
        owed = self._all_owed(noted)
        place = 0
        for reply in _replies(output):
            place += self._answered(at, since or at, reply, owed[place] if place < len(owed) else None, entries)
        self._owed = owed[place:]

    def _all_owed(self, noted: Any) -> list[Said]:
        """What has no reply yet, with what was noted since."""
        return [*self._owed, *noted] if noted.__class__ is list else [*self._owed, noted]

    def _usual(self, at: float, since: float, output: bytes, line: bytes, entries: list[Entry]) -> bool:
        """Whether it was a command of the usual sort; it is told of then, or held until the content has come."""
        method, query = _command(line)
        status = _CODES.get(output[:3], _CHALLENGE)
        if method is None or status is _CHALLENGE:
            return False
        if status is _INVITATION:
            self._open = _Open(line, at, len(output), 0)
            return True
        taken = _milliseconds(at - since) if since else 0
        entries.append(
            (at, self._party, self._hello, method, query, status, 0, len(output), len(line), taken, line, output)
        )
        return True

    def _answered(self, at: float, since: float, reply: bytes, said: Said, entries: list[Entry]) -> bool:
        """Whether the reply was to what was said: a greeting and a farewell are to nothing."""
        status = _CODES.get(reply[:3], _UNANSWERED)
        if self._open is not None:
            own = not isinstance(said, bytes)
            self._gone_on(at, reply, said if isinstance(said, int) else None, entries)
            return own
        if not self._greeted:
            self._greeted = True
            if status >= "400":
                self._put(entries, at, (NOTHING, NOTHING, status, 0, len(reply), 0, 0, b"", reply))
            return False
        if not isinstance(said, bytes):
            self._put(entries, at, (NOTHING, NOTHING, status, 0, len(reply), 0, 0, b"", reply))
        elif status in {_CHALLENGE, _INVITATION}:
            self._open = _Open(said, at, len(reply), len(said) if status is _CHALLENGE else 0)
        else:
            self._obeyed(at, since, reply, said, entries)
        return True

    def _obeyed(self, at: float, since: float, reply: bytes, line: bytes, entries: list[Entry]) -> None:
        verb, _, argument = line.partition(b" ")
        known = verb.upper()
        method, query = _named(line, verb)
        status, win32, received = _CODES.get(reply[:3], _UNANSWERED), 0, len(line)
        if known == b"QUIT" and status == "221":
            self._left = True
            query, status, win32 = self._hello, _LEFT, _milliseconds(at - self._began)
        elif status == "250" and known in {b"EHLO", b"HELO"}:
            self._hello = name(argument.strip())
        elif known == b"BDAT":
            size, _, _ = argument.strip().partition(b" ")
            received = int(size) if size.isdigit() and len(size) < 20 else received
            if reply.startswith(_QUEUED):
                query = f"{query}+{self._message_id(reply, query).removeprefix('+')}"
        taken = _milliseconds(at - since)
        self._put(entries, at, (method, query, status, win32, len(reply), received, taken, line, reply))

    def _gone_on(self, at: float, reply: bytes, said: int | None, entries: list[Entry]) -> None:
        """A reply to content, or to a response; the last one makes the entry."""
        held = self._open
        assert held is not None
        held.sent += len(reply)
        if said is not None:
            held.received = said
        status = _CODES.get(reply[:3], _UNANSWERED)
        if status is _CHALLENGE:
            return
        self._open = None
        line = held.line
        if line == b"DATA":
            method, query = "DATA", self._message_id(reply, NOTHING)
        else:
            method, query = _named(line, line.partition(b" ")[0])
            if method == "DATA":
                query = self._message_id(reply, query)
        taken = _milliseconds(at - held.since)
        entries.append(
            (at, self._party, self._hello, method, query, status, 0, held.sent, held.received, taken, line, reply)
        )

    def _message_id(self, reply: bytes, otherwise: str) -> str:
        """The Message-ID that a reply tells, with "+" in front where the client has made it."""
        if not reply.startswith(_QUEUED):
            return otherwise
        ident = reply[len(_QUEUED) - 1 : reply.rfind(b">") + 1]
        text = plain(ident)
        return text if self._ours in ident else f"+{text}"

    def _gone(self, at: float, owed: list[Said], entries: list[Entry]) -> None:
        """What was never answered has status 0; the predecessor tells the end of every session as a QUIT."""
        if self._open is not None:
            self._gone_on(at, b"", next((said for said in owed if isinstance(said, int)), None), entries)
        for said in owed:
            if isinstance(said, bytes):
                self._obeyed(at, at, b"", said, entries)
        if not self._left:
            self._left = True
            elapsed = _milliseconds(at - self._began)
            self._put(entries, at, ("QUIT", self._hello, _LEFT, elapsed, 0, 0, 0, b"", b""))

    def _put(
        self, entries: list[Entry], at: float, rest: tuple[str, str, str, int, int, int, int, bytes, bytes]
    ) -> None:
        entries.append((at, self._party, self._hello, *rest))


@functools.lru_cache(maxsize=256)  # some senders and many verbs come again and again
def _command(line: bytes) -> tuple[str | None, str]:
    """The verb of a line if it is one of the usual sort, and what stands behind it."""
    verb, _, argument = line.partition(b" ")
    return _USUAL.get(verb), f"+{plain(argument)}" if argument else NOTHING


def _named(line: bytes, verb: bytes) -> tuple[str, str]:
    """The verb of a line, and what stands behind it. What is no word is no verb: all of it stands behind none."""
    method = _VERBS.get(verb.upper())
    if method is None:
        if not verb.isalnum() or len(verb) > _LONGEST_VERB:
            return NOTHING, leading(line)
        method = verb.decode()
    return method, plain(line[len(verb) :]) or NOTHING


@functools.lru_cache(maxsize=64)
def _replies(output: bytes) -> tuple[bytes, ...]:
    """The replies in octets that were written: one has lines of which all but the last have "-" behind the code.

    What is said to EHLO is much the same to everybody, and long.
    """
    if output.count(b"\n") == 1:
        return (output,)
    found, begun = [], b""
    for line in output.split(b"\n"):
        begun += line + b"\n"
        if line[3:4] != b"-":
            found.append(begun)
            begun = b""
    return tuple(found[:-1])  # what stands behind the last line feed is nothing


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000) if seconds > 0.0 else 0
