"""A message as one server can take it: as it is, converted, or not at all.

Not responsible for how a message is converted (`mail.mime`).
"""

import asyncio
from dataclasses import dataclass

from mailroot.edge.outgoing import Connection
from mailroot.mail.envelope import Body, Envelope
from mailroot.mail.faults import Unavailable
from mailroot.mail.message import Content
from mailroot.mail.reply import Reply
from mailroot.mail.status import Status
from mailroot.wire.client import SendContent
from mailroot.wire.offer import Offer
from mailroot.wire.replies import no_reply
from mailroot.wire.transmit import DotStuffing, dotted

# RFC 5321 section 4.5.3.2.5: 3 minutes for a block of data to be taken.
_BLOCK_WAIT = 180.0
# Content is loaded as a whole only to be converted; without a message size limit, up to this.
_CONVERSION_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parcel:
    """Content that a server can take, and what it is to be told of it."""

    content: Content
    body: Body


async def prepare(envelope: Envelope, content: Content, offer: Offer, limit: int) -> Parcel | Status:
    """The message as the server can take it; a status where it cannot. At most `limit` octets are converted, 0: any."""
    body = envelope.body
    if content.in_memory and body is Body.SEVEN_BIT and not b"".join(content.pieces()).isascii():
        body = Body.EIGHT_BIT
    return Parcel(content, body)


async def send_content(connection: Connection, content: Content, step: SendContent, longest: float) -> list[Reply]:
    """Write content as a step demands; bring the one reply that ends it."""
    wait = min(step.wait, longest)
    if content.in_memory:
        whole = b"".join(content.pieces())
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
