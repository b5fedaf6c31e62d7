"""Asking another server for mail that it holds, as scripts: ETRN (RFC 1985) and ATRN (RFC 2645).

After a positive reply to ATRN the roles turn round: whoever runs the script is the server from then on.
"""

from collections.abc import Iterable, Sequence

from mailroot.mail.reply import Reply
from mailroot.wire.client import COMMAND_WAIT, Say, Script


def start_queues(domains: Iterable[str]) -> Script[list[tuple[str, Reply]]]:
    """Ask for the mail of each domain to be sent; the reply for each, up to the one that ended the connection."""
    said: list[tuple[str, Reply]] = []
    for domain in domains:
        (reply,) = yield Say(b"ETRN %b\r\n" % domain.encode("ascii"), 1, COMMAND_WAIT)
        said.append((domain, reply))
        if reply.code == 421:
            break
    return said


def turn_round(domains: Sequence[str]) -> Script[Reply]:
    """Ask for the mail of these domains, or of all that are ours, on this connection."""
    wanted = b" " + ",".join(domains).encode("ascii") if domains else b""
    return (yield Say(b"ATRN%b\r\n" % wanted, 1, COMMAND_WAIT))[0]
