"""Sessions on a transport that leads nowhere: golden dialogues, lost clients, mistakes, clients that do not read."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mailroot.mail.faults import DiskFull, Misconfigured, StoreFailed
from mailroot.mail.header import header_end
from mailroot.settings.virtualserver import Access, General
from tests.dialogue import Script, Turn, matches, scripts
from tests.service.accounts import entrance
from tests.service.conversing import EVERYBODY, Conversation
from tests.service.working import until

# What comes before the greeting cannot reach a session: it greets as soon as it is made.
# A handshake needs a connection: those dialogues run on the engine, and on real sockets.
# Held mail needs the queue of a whole service: tests/live/test_held_mail.py.
_ELSEWHERE = {"starttls", "holds", "turns"}
ALL = [script for script in scripts() if not script.turns[0].send and _ELSEWHERE.isdisjoint(script.settings)]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
async def client(pool: ThreadPoolExecutor) -> Conversation:
    return Conversation(pool)


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
async def test_dialogue_goes_as_written_on_a_session(script: Script, pool: ThreadPoolExecutor) -> None:
    access = replace(EVERYBODY if script.policy == "all" else Access(), basic=True, basic_requires_tls=False)
    talk = Conversation(pool, script.profile, access=access, entrance=entrance())
    for turn in script.turns:
        written = await talk.say(turn.send, lost=turn.lost) if turn.send or turn.lost else _greeting(talk)
        where = f"after {turn.send[:200]!r}"
        assert len(written) == len(turn.expect), f"{where}: {written} instead of {turn.expect}"
        for expected, line in zip(turn.expect, written, strict=True):
            assert matches(expected, line), f"{where}: {line!r} instead of {expected!r}"
        assert talk.transport.closed == (turn.closes or turn.lost), where
        _compare_message(turn, talk)


def _greeting(talk: Conversation) -> list[str]:
    return talk.transport.written.decode().split("\r\n")[:-1]


def _compare_message(turn: Turn, talk: Conversation) -> None:
    if turn.message is None:
        return
    stored = b"".join(talk.drafts[-1].content.pieces())
    end = header_end(turn.message)
    body = turn.message[end:].removeprefix(b"\r\n")
    assert stored[header_end(stored) :].removeprefix(b"\r\n") == body
    assert turn.message[:end] in stored


# -- the end of data


async def test_a_message_is_answered_250_once_it_is_committed(client: Conversation) -> None:
    assert (await client.message()).startswith("250 2.6.0 <")
    assert len(client.drafts) == 1
    assert client.session.messages == 1


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (DiskFull("full"), "452 4.3.1"),
        (StoreFailed("gone"), "451 4.3.0"),
        (Misconfigured("not allowed"), "451 4.3.0"),
    ],
)
async def test_a_store_that_cannot_take_a_message_is_told_by_4xx(
    client: Conversation, fault: Exception, answer: str
) -> None:
    client.work.queue.faults["commit"] = [fault]
    assert (await client.message()).startswith(answer)
    assert not client.transport.closed
    assert (await client.message()).startswith("250 ")


async def test_a_mistake_while_committing_ends_the_session_and_is_told(client: Conversation) -> None:
    client.work.queue.faults["commit"] = [ZeroDivisionError()]
    assert (await client.message()).startswith("421 4.3.0")
    assert client.transport.closed
    assert client.work.told("task_failed")


async def test_a_mistake_in_an_answer_ends_the_session_and_is_told(
    client: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.intake, "over_quota", None)
    monkeypatch.setattr(type(client.intake), "made", None)
    assert (await client.message()).startswith("421 4.3.0")
    assert client.transport.closed
    assert client.work.told("task_failed")


async def test_what_was_received_whole_is_kept_when_the_client_goes(client: Conversation) -> None:
    await client.tell("EHLO client", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "DATA")
    client.session.data_received(b"Subject: x\r\n\r\nHello.\r\n.\r\n")
    client.session.connection_lost(None)
    await until(lambda: client.work.told("accepted"))
    assert client.work.told("accepted")[0]["recipients"] == 1
    assert client.open == 0


async def test_what_was_not_received_whole_is_dropped_when_the_client_goes(client: Conversation) -> None:
    await client.tell("EHLO client", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "DATA")
    client.session.data_received(b"Subject: x\r\n\r\nHello.\r\n")
    client.session.connection_lost(None)
    assert client.drafts == []
    assert client.open == 0


_AS_LINES = b"DATA\r\n", b"Subject: x\r\n\r\n..Hello.\r\n\r\n.\r\n"
_IN_CHUNKS = b"BDAT 14\r\nSubject: x\r\n\r\n", b"BDAT 6\r\nHello.BDAT 2 LAST\r\n\r\n"


@pytest.mark.parametrize(("begun", "rest"), [_AS_LINES, _IN_CHUNKS], ids=["lines", "chunks"])
async def test_A20_a_client_that_is_cut_off_at_any_octet_has_left_the_whole_message_or_none(
    begun: bytes, rest: bytes, pool: ThreadPoolExecutor
) -> None:
    for cut in range(len(rest) + 1):
        client = Conversation(pool)
        await client.tell("EHLO client", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>")
        await client.say(begun)
        await client.say(rest[:cut])
        client.session.connection_lost(None)
        if cut == len(rest):
            await until(lambda: client.work.told("accepted"))  # noqa: B023 - waited for within the turn
            (draft,) = client.drafts
            assert b"".join(draft.content.pieces()).count(b"Hello.\r\n") == 1
        else:
            assert not client.drafts and not client.work.told("accepted")
        assert client.open == 0


async def test_a_client_that_closes_its_side_still_gets_its_reply(client: Conversation) -> None:
    await client.tell("EHLO client", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "DATA")
    [line] = await client.say(b"Subject: x\r\n\r\nHello.\r\n.\r\n", lost=True)
    assert line.startswith("250 2.6.0")
    assert client.transport.closed


# -- time and pressure


async def test_a_client_that_does_not_read_is_not_listened_to(client: Conversation) -> None:
    client.session.pause_writing()
    assert not client.transport.reading
    client.session.resume_writing()
    assert client.transport.reading


async def test_a_client_that_does_not_read_is_not_listened_to_after_a_commit(client: Conversation) -> None:
    await client.tell("EHLO client", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "DATA")
    client.session.data_received(b"Hello.\r\n.\r\n")
    client.session.pause_writing()
    await until(lambda: client.session._waiting is None)
    assert not client.transport.reading
    client.session.resume_writing()
    assert client.transport.reading


async def test_what_a_client_sends_while_a_message_is_committed_is_answered_after_it(client: Conversation) -> None:
    await client.tell("EHLO client", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "DATA")
    client.session.data_received(b"Hello.\r\n.\r\n")
    lines = await client.say(b"NOOP\r\nQUIT\r\n")
    assert [line[:3] for line in lines] == ["250", "250", "221"]


async def test_a_client_that_says_nothing_is_timed_out(client: Conversation) -> None:
    now = asyncio.get_running_loop().time()
    client.session.check(now)
    client.session.check(now + 599)
    assert not client.transport.closed
    client.session.check(now + 601)
    assert client.transport.written.endswith(b"421 4.4.2 mail.example.test Connection timed out\r\n")
    assert client.transport.closed
    client.session.check(now + 700)
    assert client.transport.aborted


async def test_a_client_that_says_something_has_more_time(client: Conversation) -> None:
    now = asyncio.get_running_loop().time()
    client.session.check(now)
    await client.tell("NOOP")
    client.session.check(now + 599)
    client.session.check(now + 1100)
    assert not client.transport.closed


async def test_a_connection_too_many_is_told_so(pool: ThreadPoolExecutor) -> None:
    talk = Conversation(pool, general=General(connection_limit=1))
    other = talk.sessions.make()
    transport = type(talk.transport)()
    other.connection_made(transport)
    assert transport.written.startswith(b"421 4.3.2")
    assert transport.closed
    other.connection_lost(None)
    assert talk.open == 1


@pytest.mark.parametrize("refuse", [lambda talk: talk.sessions.pause()])
async def test_a_paused_server_refuses_new_clients_and_serves_the_others(
    client: Conversation, refuse: Callable[[Conversation], None]
) -> None:
    refuse(client)
    transport = type(client.transport)()
    client.sessions.make().connection_made(transport)
    assert transport.written.startswith(b"421 4.3.2")
    assert (await client.message()).startswith("250 ")


async def test_draining_ends_idle_sessions_and_waits_for_busy_ones(client: Conversation) -> None:
    await client.tell("EHLO client", "MAIL FROM:<a@b.test>")
    transport = type(client.transport)()
    idle = client.sessions.make()
    idle.connection_made(transport)
    draining = asyncio.create_task(client.sessions.drain(10))
    await until(lambda: transport.closed)
    idle.connection_lost(None)
    assert not client.transport.closed
    await client.tell("RSET")
    await until(lambda: client.transport.closed)
    client.session.connection_lost(None)
    await asyncio.wait_for(draining, 60)


@pytest.mark.parametrize("command", ["MAIL FROM:<x", "RCPT TO:<a b@x>", f"RCPT TO:<{'a' * 300}@x>"])
async def test_an_address_that_cannot_be_read_is_a_protocol_fault_and_no_refusal(
    client: Conversation, command: str
) -> None:
    await client.say(b"EHLO x\r\n")
    if command.startswith("RCPT"):
        await client.say(b"MAIL FROM:<a@b.example>\r\n")
    (reply,) = await client.say(f"{command}\r\n".encode())
    assert reply.startswith("501 ")
    assert len(client.work.told("protocol_fault")) == 1
    assert not client.work.told("refused")
