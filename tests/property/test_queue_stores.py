"""The SQLite store does what the memory store does, whatever happens in whatever order, restarts included."""

import asyncio
import tempfile
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailroot.edge.sqlite.queue import SqliteQueue
from mailroot.mail.message import BytesContent
from mailroot.mail.status import Disposition, Status
from mailroot.queue import selection
from mailroot.queue.entry import AWAITED, FROZEN, Pending, QueueEntry, Settlement
from mailroot.queue.memory import MemoryQueue
from mailroot.queue.selection import Selection
from tests.queue.drafts import Clock, draft

LATER = Status(Disposition.DELAYED, "4.2.1", "busy")
names = st.lists(st.sampled_from(["ann", "bob", "cid"]), min_size=1, max_size=3)
minutes = st.integers(0, 90)


class Stores(RuleBasedStateMachine):
    """Both stores get the same calls; entries are compared by the order of their commits."""

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.model = MemoryQueue(self.clock)
        self.store = self.reopened()
        self.keys: list[tuple[str, str]] = []
        self.leased: set[tuple[int, int]] = set()
        self.count = 0

    def reopened(self) -> SqliteQueue:
        opened: SqliteQueue = self.wait(SqliteQueue.open(Path(self.folder.name), "0", now=self.clock))
        return opened

    def wait(self, call: Awaitable[Any]) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(60):
                return await call

        return self.loop.run_until_complete(limited())

    def both(self, method: str, *arguments: Any) -> tuple[Any, Any]:
        async def call(store: Any) -> Any:
            return await getattr(store, method)(*arguments)

        return self.wait(call(self.model)), self.wait(call(self.store))

    def keep(self, one: QueueEntry | None, other: QueueEntry | None) -> None:
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert replace(one, key="") == replace(other, key="")
            self.keys.append((one.key, other.key))

    @rule(recipients=names, lease=st.booleans(), claim=st.none() | st.sampled_from("xyz"))
    def commit(self, recipients: list[str], lease: bool, claim: str | None) -> None:
        self.count += 1
        content = BytesContent(b"%d" % self.count)
        given = draft(*recipients, content=content, claim=claim, lease=lease, arrived=self.clock.moment)
        before = len(self.keys)
        self.keep(*self.both("commit", given))
        if lease and len(self.keys) > before:
            self.leased |= {(before, number) for number in range(len(recipients))}

    @rule(later=minutes)
    def time_passes(self, later: int) -> None:
        self.clock.moment += timedelta(minutes=later)

    @rule()
    def claim_all_that_is_due(self) -> None:
        self.taken(*self.both("claim", self.clock.moment, 1000))

    def taken(self, one: Any, other: Any) -> None:
        places = {key: place for place, pair in enumerate(self.keys) for key in pair}
        found = [{places[lease.entry.key]: replace(lease.entry, key="") for lease in leases} for leases in (one, other)]
        assert found[0] == found[1]
        taken = {(place, each.number) for place, entry in found[1].items() for each in entry.pending}
        assert not taken & self.leased, "G4"
        self.leased |= taken

    @precondition(lambda self: self.leased)
    @rule(
        data=st.data(),
        later=minutes,
        how=st.sampled_from(["serve", "defer", "hold", "add", "release", "report", "fail"]),
    )
    def work(self, data: st.DataObject, later: int, how: str) -> None:
        place, number = data.draw(st.sampled_from(sorted(self.leased)))
        due = self.clock.moment + timedelta(minutes=later)
        stores: tuple[Any, Any] = (self.model, self.store)
        for store, key in zip(stores, self.keys[place], strict=True):
            entry = self.wait(store.entry(key))
            (pending,) = [each for each in entry.pending if each.number == number]
            result = self.wait(self.worked(store, key, pending, due, how))
            if how == "report":
                self.reported = [*getattr(self, "reported", []), result[0].key]
        if how == "report":
            self.keys.append((self.reported[0], self.reported[1]))
            self.reported = []
        if how != "fail":
            self.leased.discard((place, number))

    def worked(self, store: Any, key: str, pending: Pending, due: Any, how: str) -> Any:
        number = pending.number
        if how == "defer":
            waiting = replace(pending, due=due, attempts=pending.attempts + 1, last=LATER)
            return store.settle(Settlement(key, deferred=(waiting,)))
        if how == "hold":
            return store.settle(Settlement(key, deferred=(replace(pending, due=due, held=AWAITED),)))
        if how == "add":
            joining = (replace(pending, held="", via="", due=due, attempts=0, last=None, delay_reported=False),)
            return store.settle(Settlement(key, served=(number,), added=joining))
        if how == "release":
            return store.release(key, [number], due)
        if how == "fail":
            return store.failed(key)
        report = (draft("sender", lease=False, arrived=due),) if how == "report" else ()
        return store.settle(Settlement(key, served=(number,), reports=report))

    @precondition(lambda self: self.keys)
    @rule(data=st.data(), how=st.sampled_from(["retry", "remove", "freeze", "await", "thaw", "reroute"]), later=minutes)
    def operate(self, data: st.DataObject, how: str, later: int) -> None:
        now, until = self.clock.moment, self.clock.moment + timedelta(minutes=later)
        change = {
            "retry": selection.retry(now),
            "remove": selection.remove,
            "freeze": selection.freeze(FROZEN, lambda _: until),
            "await": selection.freeze(AWAITED, lambda _: until),
            "thaw": selection.thaw(now),
            "reroute": selection.reroute(f"[192.0.2.{later}]", now),
        }[how]
        name = data.draw(st.sampled_from(["", "ann@*", "bob@example.net"]))
        one, other = data.draw(st.sampled_from([("", ""), *self.keys]))
        found = [
            self.wait(store.change(Selection(key=key, recipient=name), change, "", 1000))
            for store, key in ((self.model, one), (self.store, other))
        ]
        assert found[0][:3] == found[1][:3]
        assert list(found[0].entries.values()) == list(found[1].entries.values())

    @rule(domain=st.sampled_from(["example.net", "*.net", "example.org"]))
    def thaw_a_domain(self, domain: str) -> None:
        one, other = self.both("thaw", domain, self.clock.moment)
        assert one == other

    @rule(domain=st.sampled_from(["example.net", "*.net", "example.org"]))
    def claim_what_is_held(self, domain: str) -> None:
        one, other = self.both("claim_held", domain, "", 1000)
        self.taken(one.leases, other.leases)

    @rule(name=st.sampled_from(["", "ann@*", "bob@example.net"]))
    def take_a_selection(self, name: str) -> None:
        one, other = self.both("take", Selection(recipient=name), "", 1000)
        assert one[1:] == other[1:]
        self.taken(one.leases, other.leases)

    @rule(claims=st.lists(st.sampled_from("xyz")))
    def forget(self, claims: list[str]) -> None:
        self.both("forget", claims)

    @rule()
    def restart(self) -> None:
        self.wait(self.model.close())
        self.wait(self.store.close())
        self.store = self.reopened()
        self.leased.clear()

    @invariant()
    def both_show_the_same(self) -> None:
        if not hasattr(self, "store"):
            return
        one, other = self.both("depth")
        assert one == other
        one, other = self.both("next_due")
        assert one == other
        one, other = self.both("page", "", 1000)
        assert [replace(row, key="") for row in one] == [replace(row, key="") for row in other]

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.wait(self.store.close())
            self.loop.close()
            self.folder.cleanup()


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
