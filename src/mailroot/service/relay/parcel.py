"""A message as one server can take it: as it is, converted, or not at all.

Not responsible for how a message is converted (`mail.sevenbit`).
"""

import asyncio
from dataclasses import dataclass

from mailroot.edge.outgoing import Connection
from mailroot.mail.envelope import Body, Envelope
from mailroot.mail.faults import Unavailable
from mailroot.mail.message import BytesContent, Content, Preceded
from mailroot.mail.mime import Scan
from mailroot.mail.reply import Reply
from mailroot.mail.sevenbit import Unconvertible, converted, seven_bit
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import QueueEntry
from mailroot.service.relay.signing import Signer
from mailroot.wire.client import SendContent
from mailroot.wire.offer import Offer
from mailroot.wire.replies import no_reply
from mailroot.wire.transmit import DotStuffing, dotted

# RFC 5321 section 4.5.3.2.5: 3 minutes for a block of data to be taken.
_BLOCK_WAIT = 180.0
_HEADER_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parcel:
    """Content that a server can take, and what it is to be told of it. `signed` names the keys that signed it."""

    content: Content
    body: Body
    signed: tuple[str, ...] = ()


async def prepare(entry: QueueEntry, offer: Offer, signer: Signer | None = None) -> Parcel | Status:
    """The message as the server can take it; a status where it cannot.

    What the client said of its body is trusted, except for 8-bit content that it did not announce.
    """
    try:
        parcel = await _fitted(entry.envelope, entry.content, offer)
        if isinstance(parcel, Parcel) and signer is not None:
            parcel = await _signed(entry, parcel, signer)
    except Unavailable as fault:
        return Status(Disposition.DELAYED, "4.3.0", f"The message could not be read here: {fault}.")
    if isinstance(parcel, Parcel) and offer.size and parcel.content.size > offer.size:
        reason = f"The message has {parcel.content.size} octets; the server takes at most {offer.size}."
        return _failed("5.3.4", reason)
    return parcel


async def _signed(entry: QueueEntry, parcel: Parcel, signer: Signer) -> Parcel:
    """The parcel with signatures in front: of what goes out, so they come after every conversion."""
    signature = await signer.sign(entry, parcel.content)
    if not signature.fields:
        return parcel
    return Parcel(Preceded(signature.fields, parcel.content), parcel.body, signature.names)


async def _fitted(envelope: Envelope, content: Content, offer: Offer) -> Parcel | Status:
    if not offer.smtputf8 and await _needs_smtputf8(envelope, content):
        return _failed("5.6.7", "The message needs SMTPUTF8, which the server does not offer.")
    if envelope.body is Body.BINARY:
        return Parcel(content, Body.BINARY) if offer.binary else await _reduced(content, offer)
    if offer.eight_bit:
        return Parcel(content, envelope.body if content.in_memory and _whole(content).isascii() else Body.EIGHT_BIT)
    if content.in_memory and _whole(content).isascii():
        return Parcel(content, Body.SEVEN_BIT)
    return await _reduced(content, offer)


async def _reduced(content: Content, offer: Offer) -> Parcel | Status:
    """The content as the server's offer allows, converted where it must be; in a thread, for it may be large."""
    return await asyncio.to_thread(_reduce, content, offer.eight_bit)


def _reduce(content: Content, eight_bit: bool) -> Parcel | Status:
    scan = Scan()
    for piece in content.pieces():
        scan.feed(piece)
    scan.feed(b"")
    if not scan.binary and (eight_bit or scan.ascii):
        return Parcel(content, Body.SEVEN_BIT if scan.ascii else Body.EIGHT_BIT)
    try:
        reduced = BytesContent(seven_bit(_whole(content))) if content.in_memory else converted(content)
    except Unconvertible as why:
        return _failed("5.6.3", f"The server takes only 7-bit content, and this cannot be converted: {why}.")
    return Parcel(reduced, Body.SEVEN_BIT)


async def _needs_smtputf8(envelope: Envelope, content: Content) -> bool:
    """Whether more than the client's word asks for SMTPUTF8: the sender, or the header (RFC 6531 section 3.5)."""
    if envelope.sender is not None and not envelope.sender.local.isascii():
        return True
    if not envelope.smtputf8:
        return False
    if content.in_memory:
        return not _header(content).isascii()
    return not (await asyncio.to_thread(_header, content)).isascii()


def _header(content: Content) -> bytes:
    """The header block, or what there is of it in the first pieces: headers have a limit of their own on the way in."""
    begun = b""
    for piece in content.pieces():
        begun += piece
        if b"\r\n\r\n" in begun or len(begun) > _HEADER_LIMIT:
            break
    return begun.partition(b"\r\n\r\n")[0]


def _whole(content: Content) -> bytes:
    pieces = list(content.pieces())
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _failed(code: str, reason: str) -> Status:
    return Status(Disposition.FAILED, code, reason)


async def send_content(connection: Connection, content: Content, step: SendContent, longest: float) -> list[Reply]:
    """Write content as a step demands; bring the one reply that ends it."""
    wait = min(step.wait, longest)
    if content.in_memory:
        whole = _whole(content)
        return await connection.exchange(step.lead + (dotted(whole) if step.dotted else whole), 1, wait)
    return await _stream(connection, content, step, wait)


async def _stream(connection: Connection, content: Content, step: SendContent, wait: float) -> list[Reply]:
    """Send content that must not be held in memory: the next piece is read when there is room for it."""
    stuffing = DotStuffing()
    pieces = content.pieces()
    await connection.write(step.lead, wait)
    try:
        while piece := await asyncio.to_thread(next, pieces, b""):
            await connection.write(stuffing.encode(piece) if step.dotted else piece, min(_BLOCK_WAIT, wait))
            if connection.interrupted:
                return await _interrupted(connection, wait)
    except Unavailable as fault:
        # What the server has of the message must not become one: only the end of the connection tells it so.
        connection.stop("4.3.0", f"the message could not be read here: {fault}")
    return await connection.exchange(stuffing.end() if step.dotted else b"", 1, wait)


async def _interrupted(connection: Connection, wait: float) -> list[Reply]:
    """A refusal that came before the end counts; the rest of the message has no place to go any more."""
    replies = await connection.exchange(b"", 1, wait)
    connection.stop("4.4.2", "the server answered before the end of the message")
    return replies if replies[0].code >= 400 else [no_reply("4.5.0", "the server took a message that had not ended")]
