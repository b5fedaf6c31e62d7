"""What operators ask of the queue, as the supervisor answers it: every worker, every shard, page after page."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailroot.mail.faults import Misconfigured, Missing
from mailroot.queue.entry import FROZEN
from mailroot.queue.selection import ANY_CAUSE, Order, Selection
from mailroot.service.deliver.delivery import hosts_of_via
from mailroot.service.life.state import State
from mailroot.service.measure.look import OTHERS
from mailroot.settings.problem import Problem, Problems, Unsound
from mailroot.settings.spelling import SIZE, duration

Arguments = Mapping[str, Any]

_MOST_WORDS = 500
_TEXTS = ("key", "sender", "recipient", "domain", "destination", "status", "text")
# Seconds that one request works; who asks waits for 10 (`edge.control`), and comes again.
_TURN = 1.0
# "key/recipient_number", with as many digits as an entry can have recipients.
_ROW = re.compile(r"[0-9A-Za-z]+/[0-9]{1,8}", re.ASCII)


class QueueControl:
    """Serves the operations on the queue. `key_of` finds the virtual server that arguments name."""

    def __init__(self, state: State, key_of: Callable[[Arguments], str]) -> None:
        self._state = state
        self._key_of = key_of

    async def show(self, arguments: Arguments) -> object:
        """An entry whole."""
        key = str(arguments.get("key", ""))
        for answer in await self._state.ask_all("queue.show", key):
            if answer is not None:
                return answer
        raise Missing(f"there is no entry {key!r} in the queue (it may have been delivered)")

    def bulk(self, word: str) -> Callable[[Arguments], Awaitable[object]]:
        """An operation on all whom a selection means."""

        async def work(arguments: Arguments) -> object:
            selected = selection_of(arguments)
            if selected.everything and not (arguments.get("all") or arguments.get("server")):
                raise Misconfigured("give a key, a filter such as the sender, or all")
            order = Order(selected, word, _VALUES.get(word, _no_value)(arguments))
            total = {"recipients": 0, "in_delivery": 0}
            until = time.monotonic() + _TURN
            walk = _Walk(self._places(arguments), arguments)
            while not walk.over:
                answer = await self._state.ask(walk.worker, "queue.change", walk.server, walk.shard, order, walk.row)
                for name in total:
                    total[name] += answer[name]
                walk.step(answer)
                if time.monotonic() >= until:
                    break
            return {**total, "next": walk.cursor}

        return work

    def _places(self, arguments: Arguments) -> list[tuple[str, int]]:
        """Every virtual server that is meant, with every worker."""
        only = self._key_of(arguments) if arguments.get("server") else ""
        keys = [key for key in self._state.settings.servers if not only or key == only]
        return [(key, number) for key in keys for number in range(self._state.workers)]


class _Walk:
    """Where a walk through all shards stands. Its cursor is "server|worker|shard|row"."""

    def __init__(self, places: list[tuple[str, int]], arguments: Arguments) -> None:
        self._places = places
        self._place, self.shard, self.row = _from_cursor(str(arguments.get("after") or ""), places)

    @property
    def over(self) -> bool:
        """Whether all was seen."""
        return self._place >= len(self._places)

    @property
    def server(self) -> str:
        """The virtual server whose shard comes next."""
        return self._places[self._place][0]

    @property
    def worker(self) -> int:
        """The worker whose shard comes next."""
        return self._places[self._place][1]

    @property
    def cursor(self) -> str:
        """From where to go on; "" where all was seen."""
        return "" if self.over else f"{self.server}|{self.worker}|{self.shard}|{self.row}"

    def step(self, answer: Mapping[str, Any]) -> None:
        """Go on as a page's answer says: within the shard, to the next one, to the next worker."""
        self.row = answer["next"]
        if not self.row:
            self.shard += 1
            if self.shard >= answer["shards"]:
                self._place, self.shard = self._place + 1, 0


def _from_cursor(cursor: str, places: list[tuple[str, int]]) -> tuple[int, int, str]:
    """Where a page begins: the index of its place, the shard, the row after which it begins."""
    if not cursor:
        return 0, 0, ""
    try:
        key, number, shard, after = cursor.split("|", 3)
        place, shard_number = places.index((key, int(number))), max(int(shard), 0)
    except ValueError as fault:
        raise no_cursor("after", cursor) from fault
    if after and not _ROW.fullmatch(after):
        raise no_cursor("after", cursor)
    return place, shard_number, after


def no_cursor(name: str, cursor: str) -> Unsound:
    """What is wrong with an argument that is no cursor, or one of a queue that has other shards by now."""
    return Unsound(Problems((Problem(name, cursor[:80], "this is no cursor of this queue", "begin again"),)))


def selection_of(arguments: Arguments) -> Selection:
    """The selection that filters say. Raises `Misconfigured`."""
    held = FROZEN if arguments.get("frozen") else ANY_CAUSE if arguments.get("held") else ""
    older, larger = arguments.get("older"), arguments.get("larger")
    if arguments.get("destination") == OTHERS:
        raise Misconfigured(f"destination: {OTHERS} are many that were not told apart; name one of them")
    texts: dict[str, Any] = {name: str(arguments.get(name) or "") for name in _TEXTS}
    return Selection(
        **texts,
        held=held,
        before=datetime.now(UTC) - _parsed("older", duration().parse, older) if older else None,
        larger=_parsed("larger", SIZE.parse, larger) if larger else None,
    )


def _parsed(name: str, parse: Callable[[Any], Any], text: object) -> Any:
    try:
        return parse(text)
    except ValueError as fault:
        raise Misconfigured(f"{name}: {fault}") from fault


# --- what an operation needs besides a selection


def _no_value(_arguments: Arguments) -> str:
    return ""


def _route(arguments: Arguments) -> str:
    """Smart hosts as settings write them; "" for the usual way."""
    text = str(arguments.get("to") or "")
    if text:
        _parsed("to", hosts_of_via, text)
    return text


def _folder(arguments: Arguments) -> str:
    text = str(arguments.get("to") or "")
    if not Path(text).is_absolute():
        raise Misconfigured(f"to: the whole path of a folder is wanted, not {text!r}")
    return text


def _words(arguments: Arguments) -> str:
    text = str(arguments.get("words") or "").strip()
    if not text.isprintable() or len(text) > _MOST_WORDS:
        raise Misconfigured(f"words: a line of at most {_MOST_WORDS} signs that print is wanted")
    return text


_VALUES: dict[str, Callable[[Arguments], str]] = {"reroute": _route, "export": _folder, "bounce": _words}
BULK_WORDS = ("retry", "freeze", "thaw", "reroute", "bounce", "remove", "export")
