"""A connection to another server: our commands and its replies, each an entry of its own as the predecessor has it.

Content, responses to challenges and the challenges themselves are never noted.
"""

import functools
from collections.abc import Sequence
from time import time

from mailroot.edge.protocollog.entry import NOTHING, Entry, Party, name, plain
from mailroot.edge.protocollog.recorder import Record, Recorder
from mailroot.mail.reply import Reply
from mailroot.wire.journal import without_secret
from mailroot.wire.replies import NoReply
from mailroot.wire.verbs import TABLE

_COMMAND, _RESPONSE = "OutboundConnectionCommand", "OutboundConnectionResponse"
_STATUS = "0"
_VERBS = {verb: verb.decode() for verb in TABLE}
# After these the next octets are content, or a secret.
_INVITATION, _CHALLENGE = 354, 334


class Call:
    """One connection. `said` and `heard` are called by its owner, `read` by the writer."""

    __slots__ = ("_asked", "_party", "_recorder", "_silent")

    def __init__(self, recorder: Recorder, party: Party) -> None:
        self._recorder = recorder
        self._party = party
        self._asked = 0.0
        self._silent = False

    def said(self, octets: bytes) -> None:
        """These octets are being written: commands, or content where the last reply invited it."""
        self._asked = time()
        if self._silent or not octets:
            return
        if octets.startswith(b"BDAT "):  # the rest is content
            octets = octets[: octets.find(b"\r\n") + 2]
            self._silent = True
        elif octets.startswith(b"AUTH "):
            octets = without_secret(octets)
        self._recorder.take((self, self._asked, 0.0, octets, ()), len(octets))

    def heard(self, replies: Sequence[Reply]) -> None:
        """These replies have come."""
        if replies:
            self._silent = replies[-1].code in {_INVITATION, _CHALLENGE}
            self._recorder.take((self, time(), self._asked, b"", replies))

    def read(self, record: Record, entries: list[Entry]) -> None:
        """Add to the entries what a record tells."""
        _, at, asked, octets, replies = record
        if octets:
            self._commands(at, octets, entries)
        taken = max(round((at - asked) * 1000), 0)
        for reply in replies:
            if not isinstance(reply, NoReply):
                code, _, lines = reply
                query, size, said = (_seen_again if len(lines) == 1 and code != _CHALLENGE else _first_line)(reply)
                entries.append((at, self._party, _RESPONSE, NOTHING, query, _STATUS, 0, size, 0, taken, b"", said))

    def _commands(self, at: float, octets: bytes, entries: list[Entry]) -> None:
        for line in octets.split(b"\r\n"):
            method, query, size = _command(line)
            if size:
                entries.append((at, self._party, _COMMAND, method, query, _STATUS, 0, size, 0, 0, line, b""))
            if method == "BDAT":
                break


# Nearly all that two programs say to each other they say again and again.


@functools.lru_cache(maxsize=256)
def _command(line: bytes) -> tuple[str, str, int]:
    """The verb, what stands behind it, and how long the verb is."""
    verb, _, argument = line.partition(b" ")
    return _VERBS.get(verb) or name(verb), plain(argument) or NOTHING, len(verb)


def _first_line(reply: Reply) -> tuple[str, int, bytes]:
    """A reply's first line (facts 6), its length, and all of it; of a challenge the code alone."""
    octets = b"334\r\n" if reply.code == _CHALLENGE else reply.encode()
    first, _, _ = octets.partition(b"\r\n")
    return plain(first), len(first), octets


_seen_again = functools.lru_cache(maxsize=256)(_first_line)  # for short ones: a reply may have 64 KiB
