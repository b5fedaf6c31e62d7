"""A relay connection that is cut at each of its octets, in both directions: nothing is lost, statuses are right.

A message may be there twice only where the answer to its end was cut: that no SMTP client can know.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

from mailroot.mail.envelope import Body
from mailroot.mail.status import Disposition
from tests.peers.faultproxy import Fault, FaultProxy
from tests.peers.smtp import EXTENSIONS, Peer
from tests.service.carrying import carrier, delivery, smart

pytestmark = pytest.mark.timeout(600)
CONTENT = b"Subject: x\r\n\r\n.dot\r\nlast\r\n"
BINARY = b"Subject: x\r\n\r\n\0\n.\r\n.\r\n\r"
WITHOUT_PIPELINING = tuple(line for line in EXTENSIONS if line != "PIPELINING")
WITH_BINARY = (*EXTENSIONS, "BINARYMIME")


@dataclass(frozen=True)
class Case:
    """A dialogue: what the server offers, what is sent, to how many."""

    extensions: tuple[str, ...]
    content: bytes = CONTENT
    body: Body = Body.SEVEN_BIT
    recipients: tuple[str, ...] = ("a@d.example", "b@d.example")


CASES = {
    "pipelined": Case(EXTENSIONS),
    "step-by-step": Case(WITHOUT_PIPELINING),
    "chunk": Case(WITH_BINARY, BINARY, Body.BINARY),
}


async def lengths(case: Case) -> tuple[int, int]:
    """How many octets pass in each direction where nothing is wrong, without the goodbye."""
    async with Peer(extensions=case.extensions) as peer, FaultProxy(peer.port) as proxy, carrier() as way:
        await send(way, proxy, case)
        (passed,) = proxy.passed
        return len(passed.sent), len(passed.heard)


async def send(way, proxy, case: Case):
    return await way.carry(delivery(smart(proxy), case.content, case.recipients, body=case.body))


async def cut(case: Case, fault: Fault) -> tuple[set[Disposition], int, bool]:
    """Send through a connection with a fault, then again where it failed.

    What the first attempt came to, how many copies the server has in the end, whether it had read the whole message.
    """
    async with Peer(extensions=case.extensions) as peer, FaultProxy(peer.port, iter([fault])) as proxy:
        async with carrier() as way:
            first = await send(way, proxy, case)
            had = len(peer.messages)
            outcomes = {status.disposition for status in first.values()}
            assert all(not status.final or status.code == "2.0.0" for status in first.values()), first
            way.try_again()
            if Disposition.DELAYED in outcomes:
                again = await send(way, proxy, case)
                assert {status.disposition for status in again.values()} == {Disposition.RELAYED}, again
        assert all(message == case.content for message in peer.messages)
        return outcomes, len(peer.messages), had > 0


async def sweep(case: Case, faults) -> list[tuple[Fault, set[Disposition], int, bool]]:
    """All faults, some at a time."""
    room = asyncio.Semaphore(16)

    async def one(fault):
        async with room:
            return (fault, *await cut(case, fault))

    return await asyncio.gather(*(one(fault) for fault in faults))


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("name", CASES)
async def test_a_cut_at_any_octet_that_we_send(name: str, reset: bool) -> None:
    case = CASES[name]
    sent, _ = await lengths(case)
    for fault, outcomes, copies, had in await sweep(case, [Fault(sent=at, reset=reset) for at in range(sent)]):
        # The server cannot have had the message: its last octet never came.
        assert outcomes == {Disposition.DELAYED} and not had and copies == 1, (fault, outcomes, copies)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("name", CASES)
async def test_a_cut_at_any_octet_that_we_hear(name: str, reset: bool) -> None:
    case = CASES[name]
    _, heard = await lengths(case)
    doubled = []
    for fault, outcomes, copies, had in await sweep(case, [Fault(heard=at, reset=reset) for at in range(heard)]):
        assert outcomes == {Disposition.DELAYED} and copies in (1, 2), (fault, outcomes, copies)
        assert copies == 1 or had
        doubled += [fault.heard] if copies == 2 else []
    # Twice only where nothing but the answer to the content was cut: these are its octets, the last ones.
    assert doubled and doubled[0] > heard - len("250 2.0.0 queued as 1\r\n")


@pytest.mark.parametrize("name", CASES)
async def test_a_connection_that_dribbles_carries_the_message(name: str) -> None:
    case = CASES[name]
    async with Peer(extensions=case.extensions) as peer, FaultProxy(peer.port, iter([Fault(piece=1)])) as proxy:
        async with carrier() as way:
            statuses = await send(way, proxy, case)
        assert {status.code for status in statuses.values()} == {"2.0.0"} and peer.messages == [case.content]


@pytest.mark.parametrize("way_out", [True, False], ids=["sent", "heard"])
async def test_a_connection_that_falls_silent_is_given_up(way_out: bool) -> None:
    case = CASES["pipelined"]
    for at in (0, 1, 40, 100):
        fault = Fault(sent=at if way_out else None, heard=None if way_out else at, silent=True)
        async with Peer() as peer, FaultProxy(peer.port, iter([fault])) as proxy:
            async with carrier(connection_timeout=timedelta(seconds=1)) as way:
                statuses = await send(way, proxy, case)
            assert {status.code for status in statuses.values()} == {"4.4.2"}, (at, statuses)
