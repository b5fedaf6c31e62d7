"""A draft: the message that is coming in, in memory while it is small, streamed to SortTemp once it is not.

Memory never grows with the size of a message: what waits for the disk is bounded, and the session stops reading at
that bound. Nothing is durable before `seal` has returned.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mailroot.edge.files.contents import ROW_LIMIT, ContentFile
from mailroot.mail.faults import Fault, Unavailable
from mailroot.mail.header import Made, Stamped, Trace, header_end, stamp
from mailroot.mail.message import BytesContent, Content

_MOST_WAITING = 1024 * 1024
_LONGEST_HEADER = 1024 * 1024  # it is completed in memory
_TOO_LONG = Stamped(b"", 0, "", 0, False, "The header is longer than 1 MB")


class Draft:
    """The content of one transaction.

    `trace` and `made` are what the header is completed with. The header is completed once the whole message is here or
    the draft becomes a file: `stamped` is None before that.
    """

    __slots__ = (
        "_cleared",
        "_create",
        "_failure",
        "_file_from",
        "_made",
        "_pieces",
        "_pool",
        "_trace",
        "_writer",
        "_writing",
        "size",
        "stamped",
    )

    def __init__(self, trace: Trace, made: Made, create: Callable[[], ContentFile], pool: ThreadPoolExecutor) -> None:
        self._trace, self._made, self._create, self._pool = trace, made, create, pool
        self._pieces: list[bytes] = []
        self._writer: ContentFile | None = None
        self._writing: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._cleared: Callable[[], None] | None = None
        self._file_from = ROW_LIMIT
        self.size = 0
        self.stamped: Stamped | None = None

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the message; nothing more is kept of one that has met a failure."""
        self.size += len(piece)
        if self._failure is not None:
            return
        self._pieces.append(piece)
        if self._writer is not None:
            self._write_on()
        elif self.size > self._file_from:
            self._become_file()

    @property
    def congested(self) -> bool:
        """Whether the client must wait for the disk."""
        return self._writing is not None and sum(map(len, self._pieces)) > _MOST_WAITING

    def when_clear(self, resume: Callable[[], None]) -> None:
        """Call `resume` once the disk has caught up."""
        self._cleared = resume

    @property
    def small(self) -> bool:
        """Whether the whole message is in memory."""
        return self._writer is None and self._failure is None

    def seal_small(self) -> Content:
        """The content of a message that is in memory."""
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        return BytesContent(self._with_header(whole))

    async def seal(self) -> Content:
        """The content of a message that is a file, synced. Raises `Unavailable`, `DiskFull` too; the file goes then."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        if self._failure is not None:
            self.drop()
            raise self._failure
        assert self._writer is not None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._writer.seal)

    def drop(self) -> None:
        """Forget the message; a file goes too, once the thread that writes it has let go of its descriptor."""
        self._pieces.clear()
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if self._writing is None:
            self._pool.submit(writer.discard)
        else:
            self._writing.add_done_callback(lambda _: self._pool.submit(writer.discard))

    def _with_header(self, start: bytes) -> bytes:
        self.stamped = stamp(start, self._trace, self._made)
        return self.stamped.head + start[self.stamped.body_at :]

    def _become_file(self) -> None:
        start = b"".join(self._pieces)
        if header_end(start, whole=False) < 0:
            self._wait_for_header(start)
            return
        self._pieces[:] = [self._with_header(start)]
        try:
            self._writer = self._create()
        except Fault as fault:
            self._fail(fault)
        else:
            self._write_on()

    def _wait_for_header(self, start: bytes) -> None:
        """The header goes on: look again when twice as much is here."""
        self._pieces[:] = [start]
        self._file_from = 2 * self.size
        if self.size > _LONGEST_HEADER:
            self.stamped = _TOO_LONG
            self._fail(Unavailable(_TOO_LONG.problem))

    def _write_on(self) -> None:
        if self._writing is not None or not self._pieces or self._writer is None:
            return
        waiting, self._pieces = self._pieces, []
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._pool, self._writer.write, b"".join(waiting))
        self._writing.add_done_callback(self._written)

    def _fail(self, failure: BaseException) -> None:
        """The client hears of it at the end of its message."""
        self._failure = failure if isinstance(failure, Unavailable) else Unavailable(str(failure))
        self._pieces.clear()

    def _written(self, writing: "asyncio.Future[None]") -> None:
        self._writing = None
        failure = None if writing.cancelled() else writing.exception()
        if failure is not None:
            self._fail(failure)
        self._write_on()
        if self._cleared is not None and not self.congested:
            resume, self._cleared = self._cleared, None
            resume()
