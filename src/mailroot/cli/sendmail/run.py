"""`sendmail`: takes a message from standard input and hands it to the service of this machine.

By SMTP, whose refusals are told at once; where nobody answers there, or submitting needs more than a program has, by
the Pickup folder. The message is durable before this ends with 0; the other codes are those of sysexits.h.
"""

import os
import pwd
import socket
import sys
from collections.abc import Sequence

from mailroot.cli.sendmail.letter import Account, Letter, Unaddressed, address, letter, text_of
from mailroot.cli.sendmail.place import Place, find
from mailroot.cli.sendmail.words import Deed, Misused, Order, read
from mailroot.edge.submission import put_into, submit, talk
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Recipient
from mailroot.mail.faults import Fault, Misconfigured, Unavailable
from mailroot.mail.reply import Reply
from mailroot.wire.offer import Mail

# sysexits.h
USAGE, DATA, NO_USER, UNAVAILABLE, TRY_AGAIN, NO_PERMISSION, CONFIG = 64, 65, 67, 69, 75, 77, 78
# Held in memory; more is no mail.
_LARGEST = 512 * 1024 * 1024
_NO_USER = ("5.1.1", "5.1.2", "5.1.3", "5.1.10")


def main(words: Sequence[str], called: str = "sendmail") -> int:
    """Do what was typed; the exit code."""
    try:
        order = read(words, called)
        return _DEEDS[order.deed](order)
    except (Misused, Unaddressed) as fault:
        return _end(USAGE if isinstance(fault, Misused) else DATA, str(fault))
    except Misconfigured as fault:
        return _end(CONFIG, str(fault))
    except Fault as fault:
        return _end(TRY_AGAIN, str(fault))


def _end(code: int, text: str) -> int:
    print(f"sendmail: {text}", file=sys.stderr)
    return code


def _send(order: Order) -> int:
    place = find(order.config, order.server)
    octets = sys.stdin.buffer.read(_LARGEST + 1)
    if len(octets) > _LARGEST:
        return _end(DATA, f"the message is larger than {_LARGEST} octets")
    user = _user(order, place)
    sender = user.address if order.sender is None else address(order.sender) if order.sender else None
    author = user if order.sender is None or sender is None else Account(sender, user.name)
    given = letter(text_of(octets, order.dot_ends), order.recipients, order.from_header, sender, author)
    return _hand_over(order, place, given)


def _user(order: Order, place: Place) -> Account:
    """Who runs this: the account's name at the default domain of the server."""
    try:
        known = pwd.getpwuid(os.getuid())
        name, full = known.pw_name, known.pw_gecos.partition(",")[0]
    except KeyError:
        name, full = str(os.getuid()), ""
    return Account(Mailbox(name, place.domain or socket.gethostname()), order.name or full)


def _hand_over(order: Order, place: Place, given: Letter) -> int:
    """By SMTP, else by Pickup, where the message may be put whatever SMTP says of the right to relay."""
    recipients = [Recipient(one, order.notify) for one in given.recipients]
    try:
        reply: Reply | Unavailable = submit(
            place.smtp, "localhost", _mails(order, place, given, recipients), given.content
        )
    except Unavailable as fault:
        reply = fault
    if isinstance(reply, Reply) and (reply.positive or not _wants_more(reply)):
        return 0 if reply.positive else _refused(reply)
    if place.pickup is not None and os.access(place.pickup, os.W_OK | os.X_OK):
        put_into(place.pickup, given.sender, recipients, given.content)
        return 0
    return _refused(reply) if isinstance(reply, Reply) else _end(TRY_AGAIN, str(reply))


def _wants_more(reply: Reply) -> bool:
    """Whether SMTP refused us for who we are: no right to relay, no account, no TLS, not let in."""
    return reply.code in {421, 530, 554} or reply.enhanced.startswith(("5.7.", "4.7."))


def _mails(order: Order, place: Place, given: Letter, recipients: list[Recipient]) -> list[Mail]:
    """One transaction, or as many as the server's limit of recipients makes necessary."""
    most = place.recipients or len(recipients)
    return [_mail(order, given, recipients[at : at + most]) for at in range(0, len(recipients), most)]


def _mail(order: Order, given: Letter, recipients: list[Recipient]) -> Mail:
    plain = given.content.isascii()
    body = Body.SEVEN_BIT if plain else Body.EIGHT_BIT
    people = [one.address for one in recipients] + ([given.sender] if given.sender else [])
    international = not all(one.ascii for one in people)
    envelope = Envelope(given.sender, tuple(recipients), body, international, order.ret, order.envid)
    return Mail(envelope, list(enumerate(recipients)), body, len(given.content))


def _refused(reply: Reply) -> int:
    text = f"the service refused the message: {reply.text}"
    if reply.code < 500:
        return _end(TRY_AGAIN, text)
    if reply.enhanced.startswith("5.7.") or reply.code == 530:
        return _end(NO_PERMISSION, text)
    return _end(NO_USER if reply.enhanced in _NO_USER else UNAVAILABLE, text)


def _talk(order: Order) -> int:
    place = find(order.config, order.server)
    try:
        talk(place.smtp, sys.stdin.fileno(), sys.stdout.fileno())
    except Unavailable as fault:
        os.write(sys.stdout.fileno(), b"421 4.3.2 The service does not answer; try again later\r\n")
        return _end(TRY_AGAIN, str(fault))
    return 0


def _list(order: Order) -> int:
    from mailroot.cli.main import main as command  # noqa: PLC0415 - only this deed needs the whole command line

    return command(["queue", "list", "--config", str(find(order.config, order.server).file)])


def _nothing(_order: Order) -> int:
    """There are no aliases to be made, and the queue needs nobody to run it."""
    return 0


_DEEDS = {Deed.SEND: _send, Deed.TALK: _talk, Deed.LIST: _list, Deed.NOTHING: _nothing}
