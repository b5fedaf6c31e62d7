"""What a directory said, remembered for a while: within bounds, and never long where it is the answer that hurts."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from mailroot.mail.address import Mailbox
from mailroot.routing.directory.entry import Entry, address_key
from mailroot.routing.directory.questions import Question
from mailroot.routing.directory.resolve import Outcome, Resolution

# What is remembered weighs one for each entry and each member of a group: some 100 MB at the most.
_MOST_ENTRIES = 250_000
_MOST_RESOLUTIONS = 100_000
_LASTING = {Outcome.SAME, Outcome.REPLACED}


@dataclass(frozen=True, slots=True)
class Spans:
    """Seconds for which answers are believed, and for which it is believed that there is none."""

    found: float
    nobody: float


class Memory:
    """Answers to questions, and what addresses came to. `moment` gives seconds of a clock that never goes back."""

    def __init__(self, spans: Spans, moment: Callable[[], float]) -> None:
        self._spans = spans
        self._moment = moment
        self._answers: OrderedDict[Question, tuple[float, tuple[Entry, ...]]] = OrderedDict()
        self._weight = 0
        self._resolutions: OrderedDict[str, tuple[float, Resolution]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers) + len(self._resolutions)

    def answer(self, question: Question) -> tuple[Entry, ...] | None:
        """What the directory said to a question; None where it is not known any more."""
        kept = self._answers.get(question)
        return kept[1] if kept is not None and self._moment() < kept[0] else None

    def keep_answer(self, question: Question, answer: tuple[Entry, ...]) -> None:
        """Remember an answer; the oldest are forgotten for it."""
        span = self._spans.found if answer else self._spans.nobody
        if not span:
            return
        self._forget(question)
        self._answers[question] = (self._moment() + span, answer)
        self._weight += _weight(answer)
        while self._weight > _MOST_ENTRIES:
            self._forget(next(iter(self._answers)))

    def resolution(self, address: Mailbox) -> Resolution | None:
        """What an address came to; None where it is not known any more."""
        kept = self._resolutions.get(address_key(address))
        return kept[1] if kept is not None and self._moment() < kept[0] else None

    def keep_resolution(self, resolution: Resolution) -> None:
        """Remember what an address came to, unless that is a group, whose members' entries are remembered instead."""
        if resolution.outcome in {Outcome.WAITING, Outcome.EXPANDED}:
            return
        span = self._spans.found if resolution.outcome in _LASTING else self._spans.nobody
        if not span:
            return
        key = address_key(resolution.address)
        self._resolutions[key] = (self._moment() + span, resolution)
        self._resolutions.move_to_end(key)
        if len(self._resolutions) > _MOST_RESOLUTIONS:
            self._resolutions.popitem(last=False)

    def flush(self) -> int:
        """Forget everything; how much that was."""
        count = len(self)
        self._answers.clear()
        self._resolutions.clear()
        self._weight = 0
        return count

    def _forget(self, question: Question) -> None:
        kept = self._answers.pop(question, None)
        if kept is not None:
            self._weight -= _weight(kept[1])


def _weight(answer: tuple[Entry, ...]) -> int:
    return 1 + sum(entry.weight for entry in answer)
