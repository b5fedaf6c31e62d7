"""Reads the content of a message from the input: after DATA up to CRLF.CRLF, after BDAT so many octets.

Not responsible for limits and newlines (`incoming`) or for finding the end (`body`).
"""

from mailroot.mail.envelope import Body
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire import commands
from mailroot.wire.body import ChunkReader, DotReader
from mailroot.wire.commands import Chunk
from mailroot.wire.dialogue import CLOSED, Dialogue
from mailroot.wire.events import BodyEnd, Fault
from mailroot.wire.incoming import SESSION_TOO_LARGE, Incoming
from mailroot.wire.table import CHUNK, CHUNKS, FAILED, IN_CONTENT, READY, Row

_BINARY = Body.BINARY


def begin_data(dialogue: Dialogue, reply: Reply) -> None:
    """DATA was answered."""
    dialogue.say(reply)
    dialogue.flush = True
    if reply.positive:
        dialogue.transaction.incoming = _incoming(dialogue)
        dialogue.transaction.reader = DotReader()
    else:
        dialogue.hushed = True


def read_data(dialogue: Dialogue) -> None:
    """Read up to CRLF.CRLF."""
    transaction, waiting = dialogue.transaction, dialogue.input
    reader, incoming = transaction.reader, transaction.incoming
    assert isinstance(reader, DotReader)
    assert incoming is not None
    dialogue.progress += 1
    incoming.take(reader.read(waiting.take_all()))
    if reader.rest is not None:
        waiting.append(reader.rest)
        if dialogue.journal is not None:
            dialogue.journal.append(incoming.size)
        _end(dialogue, incoming)
    elif incoming.drained_enough:
        dialogue.close(incoming.failure or SESSION_TOO_LARGE)


def begin_chunks(dialogue: Dialogue, reply: Reply) -> None:
    """The first BDAT was answered."""
    if reply.positive:
        dialogue.transaction.incoming = _incoming(dialogue)
        dialogue.transaction.reader = ChunkReader(binary=dialogue.transaction.body is _BINARY)
        begin_chunk(dialogue, dialogue.transaction.incoming)
    else:
        skip_chunk(dialogue, dialogue.chunk, reply)


def begin_chunk(dialogue: Dialogue, incoming: Incoming) -> None:
    """Expect the octets of `dialogue.chunk`."""
    size = dialogue.chunk.size
    incoming.announce(size)
    if incoming.failure is not None and size > dialogue.profile.drain_limit:
        dialogue.close(incoming.failure)
        return
    dialogue.state = CHUNK
    dialogue.chunk_left = size
    if not size:
        _end_chunk(dialogue)


def skip_chunk(dialogue: Dialogue, chunk: Chunk, reply: Reply) -> None:
    """Refuse a chunk. Its octets are content all the same, never to be read as commands (RFC 3030 section 2)."""
    if chunk.size > dialogue.profile.drain_limit:
        dialogue.close(reply)
        return
    dialogue.resume, dialogue.state = dialogue.state, CHUNK
    dialogue.chunk_refusal = reply
    dialogue.chunk_left = chunk.size
    if not chunk.size:
        _end_chunk(dialogue)


def read_chunk(dialogue: Dialogue) -> None:
    """Read octets of the chunk."""
    raw = dialogue.input.take(dialogue.chunk_left)
    dialogue.progress += 1
    dialogue.chunk_left -= len(raw)
    if dialogue.chunk_refusal is None:
        reader, incoming = dialogue.transaction.reader, dialogue.transaction.incoming
        assert isinstance(reader, ChunkReader)
        assert incoming is not None
        incoming.take(reader.read(raw))
    if not dialogue.chunk_left:
        _end_chunk(dialogue)


def _end_chunk(dialogue: Dialogue) -> None:
    if dialogue.chunk_refusal is not None:
        dialogue.state = dialogue.resume
        refusal, dialogue.chunk_refusal = dialogue.chunk_refusal, None
        dialogue.say_unless_junk(refusal.encode())
        return
    reader, incoming = dialogue.transaction.reader, dialogue.transaction.incoming
    assert isinstance(reader, ChunkReader)
    assert incoming is not None
    if dialogue.chunk.last:
        incoming.take(reader.read(b"", last=True))
        _end(dialogue, incoming)
    elif incoming.failure is None:
        dialogue.state = CHUNKS
        dialogue.say(REPLIES.chunk_ok(size=dialogue.chunk.size))
    elif incoming.drained_enough:
        dialogue.close(incoming.failure)
    else:
        dialogue.state = FAILED
        dialogue.say(incoming.failure)


def _incoming(dialogue: Dialogue) -> Incoming:
    binary = dialogue.transaction.body is _BINARY
    return Incoming(dialogue.profile, dialogue.session_size, binary, dialogue.events.append)


def _end(dialogue: Dialogue, incoming: Incoming) -> None:
    """The content is complete: the caller answers, unless the engine has refused it."""
    if incoming.failure is not None:
        _end_transaction(dialogue, incoming.failure)
        return
    if incoming.bare_newlines:
        dialogue.events.append(Fault("bare-newline", "bare CR or LF in the content was made CRLF"))
    dialogue.ask(BodyEnd(incoming.size, incoming.bare_newlines), END_OF_CONTENT)


def _answered(dialogue: Dialogue, reply: Reply) -> None:
    incoming = dialogue.transaction.incoming
    assert incoming is not None
    if reply.positive:
        dialogue.session_size += incoming.size
        dialogue.junk = 0
    _end_transaction(dialogue, reply)


def _end_transaction(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.transaction = CLOSED
    dialogue.state = READY
    if reply is SESSION_TOO_LARGE:
        dialogue.close(reply)
    else:
        dialogue.say(reply)
        dialogue.flush = True


def _nothing(dialogue: Dialogue, said: None) -> None:
    """The end of content is no verb; it only asks."""


END_OF_CONTENT = Row(
    "end of content",
    "RFC 5321 section 4.1.1.4, RFC 3030 section 2",
    IN_CONTENT,
    commands.parse_nothing,
    _nothing,
    answered=_answered,
    then=READY,
)
