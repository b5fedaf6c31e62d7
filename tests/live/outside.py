"""The world outside a service under test: scripted SMTP servers and a DNS server in a thread of their own."""

import asyncio
import contextlib
import email
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

from tests.live.running import PATIENCE, SETTINGS, Service, running, until

Entered = TypeVar("Entered", bound=contextlib.AbstractAsyncContextManager)


@dataclass
class Outside:
    """Runs the peers. What they heard may be read at any time; what they do is changed by `soon`."""

    loop: asyncio.AbstractEventLoop
    stack: contextlib.AsyncExitStack

    def enter(self, peer: Entered) -> Entered:
        """Start a peer; it ends with the block."""
        return asyncio.run_coroutine_threadsafe(self.stack.enter_async_context(peer), self.loop).result(PATIENCE)

    def leave(self, peer: Any) -> None:
        """End a peer early: nobody listens there any more."""
        asyncio.run_coroutine_threadsafe(peer.__aexit__(None, None, None), self.loop).result(PATIENCE)

    def soon(self, act: Callable[[], object]) -> None:
        """Do something in the peers' thread."""
        self.loop.call_soon_threadsafe(act)


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    """A thread for peers, while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    world = Outside(loop, contextlib.AsyncExitStack())
    try:
        yield world
    finally:
        asyncio.run_coroutine_threadsafe(_end(world.stack), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _end(stack: contextlib.AsyncExitStack) -> None:
    await stack.aclose()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@contextlib.contextmanager
def black_hole(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that takes connections and never says a word; its number."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1024)
        yield listener.getsockname()[1]


def settings(delivery: str = "", more: str = "") -> str:
    """Settings with further options of the way out; `more` goes to the end. Braces of TOML are doubled."""
    fqdn = 'fqdn = "mail.local.test"'
    return SETTINGS.replace(fqdn, f"{fqdn}\n{delivery}") + more


@contextlib.contextmanager
def relaying(folder: Path, delivery: str = "", more: str = "", workers: int = 1) -> Iterator[Service]:
    """A service with options of the way out."""
    with running(folder, settings=settings(delivery, more), workers=workers) as service:
        yield service


def reports(service: Service, about: str) -> list[Message]:
    """The reports in Drop that are about a recipient, the oldest first."""
    found = []
    for path in sorted(service.dropped(), key=lambda path: path.stat().st_mtime_ns):
        octets = path.read_bytes()
        message = email.message_from_bytes(_without_envelope(octets))
        if message.get_content_type() == "multipart/report" and f";{about}\r\n".encode() in octets:
            found.append(message)
    return found


def _without_envelope(octets: bytes) -> bytes:
    while octets.startswith((b"x-sender:", b"x-receiver:")):
        octets = octets.partition(b"\r\n")[2]
    return octets


def report(service: Service, about: str, patience: float = PATIENCE) -> Message:
    """The first report about a recipient."""
    found: list[Message] = until(lambda: reports(service, about), f"a report about {about}", patience)
    return found[0]


def fields(message: Message) -> dict[str, str]:
    """The fields of the first recipient that a report is about, and those of the message, names in lower case."""
    status = message.get_payload()[1]
    groups = status.get_payload()
    return {name.lower(): value for group in groups[:2] for name, value in group.items()}


def text(message: Message) -> str:
    """The part of a report that people read."""
    part = message.get_payload()[0]
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")
