"""Work that is done aside: in a process of its own that lives for one question.

What reads files or mail of strangers for an operator must neither hold up mail nor be able to harm it. So it runs in
neither the supervisor nor a worker, but in a fork under the workers' account, with limits on its time and its answer;
its end frees everything. It holds none of our sockets.
"""

import asyncio
import json
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

from mailroot.edge.process import become, fork_child, reap
from mailroot.mail.faults import Fault, Misconfigured, Unavailable

_MOST = 3  # processes at a time; more questions wait
_LARGEST = 8 * 1024 * 1024  # octets of an answer, which control's client can take
_CPU_SECONDS = 6
_PATIENCE = 8.0  # seconds; who asks waits for 10 (`edge.control`)
_PIECE = 1 << 18

Work = Callable[[], object]


class Aside:
    """Does work aside, for the supervisor. `account` is the one that workers run under; "" is ours."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._room = asyncio.Semaphore(_MOST)

    async def do(self, work: Work, patience: float = _PATIENCE) -> Any:
        """What `work` gives, in values that JSON can hold.

        Raises the `Misconfigured` or `Unavailable` that it raises, and `Unavailable` where it does not end in time,
        gives too much, or fails.
        """
        try:
            async with asyncio.timeout(patience):
                await self._room.acquire()
                answer = await self._answer(work)
        except TimeoutError as fault:
            raise Unavailable(f"no answer within {patience:g} s; try again, or ask for less") from fault
        if "wrong" in answer:
            raise Misconfigured(answer["wrong"])
        if "fault" in answer:
            raise Unavailable(answer["fault"])
        return answer["result"]

    async def _answer(self, work: Work) -> dict[str, Any]:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            child, ended = fork_child(lambda: _child(work, self._account, writing), [writing])
        except OSError as fault:
            self._room.release()
            os.close(reading)
            raise Unavailable(f"no process for it: {fault.strerror}") from fault
        finally:
            os.close(writing)
        try:
            octets = await _read(reading)
        finally:
            os.kill(child, signal.SIGKILL)  # it is not reaped yet, so the number is its own
            # One that hangs in a file system cannot be killed at once: it is not waited for, and keeps its room.
            asyncio.get_running_loop().add_reader(ended, self._ended, child, ended)
            os.close(reading)
        try:
            answer: dict[str, Any] = json.loads(octets)
        except ValueError:
            return {"fault": "it took too much time or memory, or gave too much"}
        return answer

    def _ended(self, child: int, ended: int) -> None:
        asyncio.get_running_loop().remove_reader(ended)
        os.close(ended)
        reap(child)
        self._room.release()


async def _read(descriptor: int) -> bytes:
    """All that comes, up to the limit."""
    os.set_blocking(descriptor, False)
    loop = asyncio.get_running_loop()
    octets = bytearray()
    while len(octets) <= _LARGEST:
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _told, readable)
        try:
            await readable
        finally:
            loop.remove_reader(descriptor)
        piece = os.read(descriptor, _PIECE)
        if not piece:
            break
        octets += piece
    return bytes(octets)


def _told(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


def _child(work: Work, account: str, writing: int) -> int:
    """The whole life of the process."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(_done(work, account)).encode())
    return 0


def _done(work: Work, account: str) -> dict[str, object]:
    try:
        become(account)
        return {"result": work()}
    except Misconfigured as fault:
        return {"wrong": str(fault)}
    except Fault as fault:
        return {"fault": str(fault)}
    except OSError as fault:
        return {"fault": f"{fault.filename or 'the folder'}: {fault.strerror or fault}"}
    except Exception as mistake:  # the outermost frame of the question: who asks is told
        return {"fault": f"it failed by a mistake of the program: {mistake!r}"}
