"""A virtual server's directory in one worker: what is asked, what is remembered, and whether it answers at all.

A directory that gives no answer is tried on its own every few seconds; meanwhile nobody waits for it: what needs it is
told at once, and whoever listens hears when it is back. One question is asked once, however many wait for it.
"""

import asyncio
import enum
from collections.abc import Callable, Sequence
from typing import Protocol

from mailroot.mail.address import Mailbox
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Unavailable
from mailroot.mail.status import Status
from mailroot.routing.directory.entry import Entry
from mailroot.routing.directory.questions import Answer, ByAddress, NoAnswer, Question
from mailroot.routing.directory.resolve import Conversation, Outcome, Resolution, Terms, judged, resolve
from mailroot.service.measure.directorycounts import DirectoryCounts
from mailroot.service.resolve.memory import Memory, Spans
from mailroot.settings.ldap import LdapRouting

# Seconds between attempts to reach a directory that gives no answers, and for one of them.
_PAUSE, _PATIENCE = 3.0, 5.0
# Seconds after which a question that had no answer, while others have, is asked again.
_FIRST_AGAIN, _LAST_AGAIN = 5.0, 300.0
# Questions of one group that are under way at a time.
_AT_ONCE = 200


class Source(Protocol):
    """What answers (`edge.ldap.directory`)."""

    async def ask(self, question: Question) -> Answer:
        """The entries that a question leads to. Never raises."""

    async def check(self) -> str:
        """Why the directory cannot be asked now; "" where it can."""

    async def admits(self, dn: str, password: str) -> bool:
        """Whether the directory lets this entry in with this password. Raises `Unavailable`."""

    def close(self) -> None:
        """End all connections."""


class Sight(enum.Enum):
    """What a glance at the memory gives besides an answer."""

    UNKNOWN = "unknown"


class Directory:
    """The directory under one revision of the rules; what is under way ends with `close`."""

    def __init__(
        self, key: str, source: Source, terms: Terms, routing: LdapRouting, emit: Emit, moment: Callable[[], float]
    ) -> None:
        self._key = key
        self._source = source
        self.terms = terms
        self._patience = routing.rcpt_timeout.total_seconds()
        self._emit = emit
        spans = Spans(routing.cache.total_seconds(), routing.negative_cache.total_seconds())
        self.memory = Memory(spans, moment)
        self.tally = DirectoryCounts()
        self.down = ""
        """Why the directory gives no answers; "" while it does."""
        self.returns = 0
        """How often the directory has come back."""
        self._asked: dict[Question, asyncio.Task[Answer]] = {}
        self._resolving: dict[Mailbox, asyncio.Task[Resolution]] = {}
        self._probe: asyncio.Task[None] | None = None
        self._back: list[Callable[[], None]] = []
        self._again_after, self._last_again = _FIRST_AGAIN, 0.0
        self._told_odd: set[str] = set()
        self._closed = False

    def when_back(self, listen: Callable[[], None]) -> None:
        """Call `listen` each time that the directory answers again."""
        self._back.append(listen)

    def known(self, address: Mailbox) -> Resolution | None:
        """What an address comes to, where what is remembered suffices."""
        return self.memory.resolution(address) or self._remembered(address)

    def _remembered(self, address: Mailbox) -> Resolution | None:
        """Nearly everybody is one entry, and needs one answer."""
        conversation = resolve(address, self.terms)
        (question,) = next(conversation)
        answer = self.memory.answer(question)
        if answer is None:
            return None
        try:
            conversation.send((answer,))
        except StopIteration as end:
            self._keep(end.value)
            found: Resolution = end.value
            return found
        return None

    def resolve(self, address: Mailbox) -> "asyncio.Task[Resolution]":
        """Find out who gets the mail for an address. The task is shared: nobody may cancel it."""
        task = self._resolving.get(address)
        if task is None:
            task = self._resolving[address] = asyncio.create_task(self._resolved(address), name=f"resolving {address}")
            task.add_done_callback(lambda _: self._resolving.pop(address, None))
        return task

    def glance(self, address: Mailbox) -> "Status | Sight | None":
        """Why an address gets no mail, by the first look; None where it does, or where nobody can say now."""
        known = self.known(address)
        if known is not None:
            return known.status
        if self.down or self._closed:
            return None
        answer = self.memory.answer(ByAddress(self.terms.names(address)))
        return Sight.UNKNOWN if answer is None else _refusal(address, answer, self.terms)

    def look(self, address: Mailbox) -> "asyncio.Task[Status | None]":
        """What `glance` will say once the directory has been asked; groups are not followed. Ends in bounded time."""
        return asyncio.create_task(self._look(address), name=f"looking for {address}")

    async def _look(self, address: Mailbox) -> Status | None:
        self.tally.lookups += 1
        try:
            async with asyncio.timeout(self._patience):
                answer = await self.ask(ByAddress(self.terms.names(address)))
        except TimeoutError:
            return None
        if isinstance(answer, NoAnswer):
            return None
        self.tally.completed += 1
        return _refusal(address, answer, self.terms)

    async def ask(self, question: Question) -> Answer:
        """The answer to a question, remembered or new."""
        known = self.memory.answer(question)
        if known is not None:
            return known
        if self.down or self._closed:
            return NoAnswer(self.down or "the settings have changed")
        task = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.create_task(self._ask(question), name=f"asking {question}")
            task.add_done_callback(lambda _: self._asked.pop(question, None))
        # The question is shared: who gives up waiting does not end it for the others.
        return await asyncio.shield(task)

    async def admits(self, dn: str, password: str) -> bool:
        """Whether the directory lets an entry in with a password. Raises `Unavailable`."""
        if self.down:
            raise Unavailable(self.down)
        return await self._source.admits(dn, password)

    def flush(self) -> int:
        """Forget all answers; how many those were."""
        return self.memory.flush()

    async def close(self) -> None:
        """End what is under way."""
        self._closed = True
        tasks = [*self._asked.values(), *self._resolving.values(), *([self._probe] if self._probe else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._source.close()

    # -- one question

    async def _ask(self, question: Question) -> Answer:
        self.tally.searches += 1
        answer = await self._source.ask(question)
        if isinstance(answer, NoAnswer):
            self._doubt()
            return answer
        self.memory.keep_answer(question, answer)
        for entry in answer:
            if entry.odd:
                self._tell_odd(entry)
        return answer

    def _tell_odd(self, entry: Entry) -> None:
        """A value that is no address is told once for each entry, or a large group would fill the log."""
        if entry.dn in self._told_odd or len(self._told_odd) > 1_000:
            return
        self._told_odd.add(entry.dn)
        self._emit(EVENTS.directory_odd, server=self._key, entry=entry.dn, values=list(entry.odd[:5]))

    # -- one address

    async def _resolved(self, address: Mailbox) -> Resolution:
        """Drive the conversation (`routing.directory.resolve`) with the directory."""
        # What the answer at RCPT was kept for was counted then.
        counted = self.memory.answer(ByAddress(self.terms.names(address))) is not None
        self.tally.lookups += not counted
        conversation = resolve(address, self.terms)
        resolution = await self._driven(conversation)
        self.tally.completed += not counted and resolution.outcome is not Outcome.WAITING
        self._keep(resolution)
        return resolution

    def _keep(self, resolution: Resolution) -> None:
        self.memory.keep_resolution(resolution)
        self._count(resolution)

    async def _driven(self, conversation: Conversation) -> Resolution:
        try:
            questions = next(conversation)
            while True:
                questions = conversation.send(await self._answers(questions))
        except StopIteration as end:
            found: Resolution = end.value
            return found

    async def _answers(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers to all questions; after one that has none, the rest is not asked any more."""
        if len(questions) == 1:
            return [await self.ask(questions[0])]
        answers: list[Answer] = []
        for start in range(0, len(questions), _AT_ONCE):
            answers += await asyncio.gather(*(self.ask(one) for one in questions[start : start + _AT_ONCE]))
            silent = next((one for one in answers if isinstance(one, NoAnswer)), None)
            if silent is not None:
                return answers + [silent] * (len(questions) - len(answers))
        return answers

    def _count(self, resolution: Resolution) -> None:
        tally = self.tally
        match resolution.outcome:
            case Outcome.WAITING:
                tally.waited += 1
            case Outcome.EXPANDED:
                tally.expanded += 1
            case Outcome.FAILED:
                code = resolution.status.code if resolution.status else ""
                tally.not_found += code == "5.1.1"
                tally.ambiguous += code == "5.1.4"
                tally.failed += code not in {"5.1.1", "5.1.4"}

    # -- whether it answers

    def _doubt(self) -> None:
        """A question had no answer: see whether any has."""
        if not self._closed and (self._probe is None or self._probe.done()):
            self._probe = asyncio.create_task(self._probed(), name=f"the directory of {self._key}")

    async def _probed(self) -> None:
        cause = await self._checked()
        if not cause:
            await self._again()
            return
        self.down = cause
        self._emit(EVENTS.directory_down, server=self._key, cause=cause)
        while self.down:
            await asyncio.sleep(_PAUSE)
            self.down = await self._checked()
        self._again_after = _FIRST_AGAIN
        self._emit(EVENTS.directory_back, server=self._key)
        self._tell_back()

    async def _again(self) -> None:
        """The directory answers, but a question had no answer: what waits is tried again after a while, ever longer."""
        now = asyncio.get_running_loop().time()
        if now - self._last_again > 2 * _LAST_AGAIN:
            self._again_after = _FIRST_AGAIN
        self._last_again = now
        await asyncio.sleep(self._again_after)
        self._again_after = min(2 * self._again_after, _LAST_AGAIN)
        self._tell_back()

    def _tell_back(self) -> None:
        self.returns += 1
        for listen in self._back:
            listen()

    async def _checked(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._source.check()
        except TimeoutError:
            return f"the directory did not answer within {_PATIENCE:g} s"


def _refusal(address: Mailbox, answer: Sequence[Entry], terms: Terms) -> Status | None:
    found = judged(address, answer, terms)
    return found if isinstance(found, Status) else None
