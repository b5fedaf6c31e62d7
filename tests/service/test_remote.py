"""Carrying to other servers, over real connections on loopback."""

import asyncio
import threading
from datetime import timedelta

import pytest
import uvloop

from mailroot.mail.envelope import Body
from mailroot.mail.faults import Unavailable
from mailroot.routing.answers import Finding, MailExchangers
from mailroot.service.relay.connections import CountedLimit
from mailroot.settings.virtualserver import Authentication, OutboundSecurity, OutboundTls
from tests.peers.smtp import EXTENSIONS, Peer
from tests.service.carrying import CONTENT, KnownNames, carrier, delivery, direct, loopback, smart, until


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request):
    return request.param()


def code(statuses, number=0):
    return statuses[number].disposition.value, statuses[number].code


def without(*names):
    return tuple(line for line in EXTENSIONS if line.split()[0] not in names)


async def test_A16_the_other_side_has_the_message_byte_by_byte():
    content = b"Subject: x\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
    async with Peer() as peer, carrier() as way:
        statuses = await way.carry(delivery(smart(peer), content))
        assert code(statuses) == ("relayed", "2.0.0")
        assert statuses[0].reply == "250 2.0.0 queued as 1" and statuses[0].dsn_passed_on
        assert peer.messages == [content]
        assert b"\n" not in bytes(peer.connections[0].raw).replace(b"\r\n", b"")


async def test_a_connection_serves_one_message_after_the_other_and_ends_with_quit():
    async with Peer() as peer:
        async with carrier(per_connection=3) as way:
            for _ in range(4):
                await way.carry(delivery(smart(peer)))
            await until(lambda: peer.connections[0].ended)
        assert [len(connection.messages) for connection in peer.connections] == [3, 1]
        assert [connection.commands.count("EHLO here.example") for connection in peer.connections] == [1, 1]
        assert peer.connections[0].commands.count("RSET") == 2
        await until(lambda: all(connection.commands[-1] == "QUIT" for connection in peer.connections))


async def test_L23_connections_never_exceed_the_limit_and_all_messages_arrive():
    async with Peer() as peer, carrier(connection_limit_per_domain=7) as way:
        results = await asyncio.gather(*(way.carry(delivery(smart(peer))) for _ in range(500)))
        assert {code(statuses) for statuses in results} == {("relayed", "2.0.0")}
        assert 1 < peer.most_at_once <= 7 and len(peer.messages) == 500


async def test_L23_one_busy_destination_leaves_connections_to_others():
    async with Peer() as busy, Peer() as other, carrier(connection_limit=3, connection_limit_per_domain=3) as way:
        crowd = [asyncio.create_task(way.carry(delivery(smart(busy)))) for _ in range(300)]
        await until(lambda: len(busy.messages) > 10)
        assert code(await way.carry(delivery(smart(other)))) == ("relayed", "2.0.0")
        assert len(busy.messages) < 300
        await asyncio.gather(*crowd)


async def test_L24_a_dead_destination_delays_nobody_else():
    events = []
    async with Peer() as alive, Peer() as dead, carrier(events=events) as way:
        await dead.__aexit__()
        results = await asyncio.gather(*(way.carry(delivery(smart(dead))) for _ in range(20)))
        assert {code(statuses) for statuses in results} == {("delayed", "4.4.1")}
        assert code(await way.carry(delivery(smart(alive)))) == ("relayed", "2.0.0")
        assert [name for name, _ in events].count("destination_down") == 1


async def test_L24_a_silent_destination_holds_up_only_its_own():
    gate = asyncio.Event()
    async with Peer(gate=gate) as slow, Peer() as alive, carrier() as way:
        waiting = [asyncio.create_task(way.carry(delivery(smart(slow)))) for _ in range(20)]
        await until(lambda: slow.connections)
        assert code(await way.carry(delivery(smart(alive)))) == ("relayed", "2.0.0")
        gate.set()
        await asyncio.gather(*waiting)


async def test_L20_the_next_host_is_asked_when_the_first_cannot_be_reached():
    async with Peer() as down, Peer() as backup, carrier() as way:
        await down.__aexit__()
        assert code(await way.carry(delivery(smart(down, backup)))) == ("relayed", "2.0.0")


@pytest.mark.parametrize("answers", [{"GREETING": "421 busy"}, {"EHLO": "451 later"}, {"GREETING": "554 no"}])
async def test_L20_L06_the_next_host_is_asked_when_the_first_does_not_want_to_talk(answers):
    async with Peer(answers) as first, Peer() as backup, carrier() as way:
        assert code(await way.carry(delivery(smart(first, backup)))) == ("relayed", "2.0.0")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_L20_the_next_host_is_asked_when_the_first_takes_nobody_for_now(verb):
    async with Peer({verb: "450 4.7.1 later"}) as first, Peer() as backup, carrier() as way:
        statuses = await way.carry(delivery(smart(first, backup)))
        assert code(statuses) == ("relayed", "2.0.0") and len(backup.messages) == 1


async def test_L20_a_refused_recipient_is_refused_without_asking_further():
    async with Peer({"RCPT": "550 5.1.1 nobody"}) as first, Peer() as backup, carrier() as way:
        statuses = await way.carry(delivery(smart(first, backup)))
        assert code(statuses) == ("failed", "5.1.1") and statuses[0].reply == "550 5.1.1 nobody"
        assert not backup.connections


async def test_L06_a_greeting_that_refuses_everywhere_fails():
    async with Peer({"GREETING": "554 5.3.2 no mail here"}) as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("failed", "5.3.2")


async def test_L08_partial_results_are_exact_over_the_wire():
    answers = {"RCPT TO:<b@d.example>": "450 4.2.1 later", "RCPT TO:<c@d.example>": "550 5.1.1 nobody"}
    async with Peer(answers) as peer, carrier() as way:
        people = ("a@d.example", "b@d.example", "c@d.example")
        statuses = await way.carry(delivery(smart(peer), recipients=people))
        assert [code(statuses, number)[0] for number in range(3)] == ["relayed", "delayed", "failed"]


@pytest.mark.parametrize(
    ("answers", "enhanced"),
    [
        ({"GREETING": b"220-x\r\n" * 100_000}, "4.5.0"),
        ({"GREETING": b"2" * 1_000_000}, "4.5.0"),
        ({"GREETING": b"\0\0\0\r\n"}, "4.5.0"),
        ({"MAIL": b"250-x\r\n" * 10_000}, "4.5.0"),
        ({"MAIL": None}, "4.4.2"),
        ({".": None}, "4.4.2"),
        ({"GREETING": None}, "4.4.2"),
    ],
)
async def test_L01_L02_a_peer_that_breaks_the_protocol_delays_the_mail(answers, enhanced):
    async with Peer(answers) as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("delayed", enhanced)


async def test_L05_an_answer_before_its_question_is_not_believed():
    async with Peer({"DATA": b"354 go\r\n250 2.0.0 queued\r\n"}) as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("delayed", "4.5.0")
        assert peer.messages == []


async def test_a_silent_peer_is_left_after_the_time_out():
    gate = asyncio.Event()
    async with Peer(gate=gate) as peer, carrier(connection_timeout=timedelta(seconds=0.2)) as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("delayed", "4.4.2")
        gate.set()


async def test_L22_a_connection_whose_rset_fails_is_replaced_and_the_message_arrives():
    async with Peer({"RSET": "500 what"}) as peer, carrier() as way:
        await way.carry(delivery(smart(peer)))
        assert code(await way.carry(delivery(smart(peer)))) == ("relayed", "2.0.0")
        assert len(peer.connections) == 2 and len(peer.messages) == 2


async def test_a_connection_that_ended_while_idle_is_replaced():
    async with Peer({".": ["250 2.0.0 ok\r\n421 bye", "250 2.0.0 ok"]}) as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("relayed", "2.0.0")
        assert code(await way.carry(delivery(smart(peer)))) == ("relayed", "2.0.0")
        assert len(peer.connections) == 2


async def test_L17_a_message_beyond_the_peers_size_is_not_sent():
    async with Peer(extensions=("SIZE 10", "PIPELINING")) as peer, carrier() as way:
        statuses = await way.carry(delivery(smart(peer)))
        assert code(statuses) == ("failed", "5.3.4") and "10" in statuses[0].reason
        assert "MAIL" not in " ".join(peer.commands)


async def test_8_bit_content_is_announced_where_it_is_offered():
    async with Peer() as peer, carrier() as way:
        await way.carry(delivery(smart(peer), "Subject: x\r\n\r\ngrün\r\n".encode()))
        assert any("BODY=8BITMIME" in command for command in peer.commands)


async def test_8_bit_content_is_converted_where_it_is_not_offered():
    content = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngrün\r\n".encode()
    async with Peer(extensions=without("8BITMIME")) as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer), content, body=Body.EIGHT_BIT)))[0] == "relayed"
        assert peer.messages[0].endswith(b"gr=C3=BCn\r\n") and peer.messages[0].isascii()
        statuses = await way.carry(delivery(smart(peer), "Subject: grün\r\n\r\nx\r\n".encode()))
        assert code(statuses) == ("failed", "5.6.3") and len(peer.messages) == 1


async def test_binary_content_goes_in_chunks_or_is_converted():
    content = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\nc\r\n.\r\nd"
    async with Peer(extensions=(*EXTENSIONS, "BINARYMIME")) as able, Peer() as unable, carrier() as way:
        assert code(await way.carry(delivery(smart(able), content, body=Body.BINARY)))[0] == "relayed"
        assert able.messages == [content]
        assert code(await way.carry(delivery(smart(unable), content, body=Body.BINARY)))[0] == "relayed"
        assert b"Content-Transfer-Encoding: base64" in unable.messages[0]


async def test_international_addresses_fail_alone_where_smtputf8_is_not_offered():
    async with Peer(extensions=without("SMTPUTF8")) as peer, carrier() as way:
        people = ("grün@d.example", "a@d.example")
        statuses = await way.carry(delivery(smart(peer), recipients=people, smtputf8=True))
        assert code(statuses) == ("failed", "5.6.7") and code(statuses, 1)[0] == "relayed"
        statuses = await way.carry(delivery(smart(peer), sender="grün@here.example", smtputf8=True))
        assert code(statuses) == ("failed", "5.6.7")


class FileContent:
    """Content in many pieces that must be read in a thread."""

    in_memory = False

    def __init__(self, pieces, fault_at=None):
        self._pieces = pieces
        self._fault_at = fault_at
        self.threads = set()
        self.size = sum(map(len, pieces))

    def pieces(self):
        for number, piece in enumerate(self._pieces):
            self.threads.add(threading.current_thread())
            if number == self._fault_at:
                raise Unavailable("disk gone")
            yield piece


async def test_large_content_is_streamed_and_read_in_threads():
    pieces = [b"Subject: big\r\n\r", b"\n", b".", b"dots\r", b"\n.\r\n", *([b".0123456789abcde\r\n" * 4000] * 100)]
    content = FileContent(pieces)
    async with Peer() as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer), content)))[0] == "relayed"
        assert peer.messages == [b"".join(pieces)]
        assert threading.main_thread() not in content.threads


async def test_content_that_cannot_be_read_on_never_becomes_a_message():
    content = FileContent([b"Subject: x\r\n\r\n", b"half", b"never"], fault_at=2)
    async with Peer() as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer), content))) == ("delayed", "4.3.0")
        await until(lambda: peer.connections[0].ended)
        assert peer.messages == []


async def test_F24_a_route_to_our_own_listener_is_refused():
    async with Peer() as peer, carrier(bindings=[("0.0.0.0", peer.port)]) as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("failed", "5.4.6")
        assert not peer.connections


async def test_F24_another_port_on_our_own_address_is_no_loop():
    async with Peer() as peer, carrier(bindings=[("127.0.0.1", 1)]) as way:
        assert code(await way.carry(delivery(smart(peer))))[0] == "relayed"


async def test_exchangers_are_asked_in_order_on_the_routes_port():
    async with Peer(address="127.0.0.3") as second:
        names = loopback(**{"one.example": "127.0.0.2", "two.example": "127.0.0.3"})
        async with carrier(names) as way:
            statuses = await way.carry(delivery(direct(second.port)))
        assert code(statuses)[0] == "relayed" and statuses[0].remote == "two.example"


async def test_J11_an_exchanger_with_our_own_name_fails_at_once():
    async with carrier(loopback(**{"here.example": "127.0.0.1"})) as way:
        assert code(await way.carry(delivery(direct(25)))) == ("failed", "5.4.6")


async def test_L10_an_exchanger_on_loopback_is_refused_unless_allowed():
    names = loopback(**{"one.example": "127.0.0.1"})
    async with Peer() as peer:
        async with carrier(names, private_exchangers=False) as way:
            assert code(await way.carry(delivery(direct(peer.port))))[0] == "failed"
        assert not peer.connections


async def test_L09_a_domain_with_a_null_mx_fails_at_once():
    names = KnownNames({"d.example": MailExchangers(Finding.FOUND, ((0, ""),))})
    async with carrier(names) as way:
        assert code(await way.carry(delivery(direct(25)))) == ("failed", "5.1.10")


async def test_direct_first_falls_back_to_the_smart_host():
    async with Peer() as peer, carrier(loopback(**{"one.example": "127.0.0.9"})) as way:
        assert code(await way.carry(delivery(smart(peer, direct_first=True))))[0] == "relayed"
        unknown = smart(peer, domain="nowhere.example", direct_first=True)
        assert code(await way.carry(delivery(unknown)))[0] == "relayed"


@pytest.mark.parametrize(
    "security",
    [
        OutboundSecurity(tls=OutboundTls.REQUIRE),
        OutboundSecurity(tls=OutboundTls.VERIFY),
        OutboundSecurity(authentication=Authentication.BASIC),
    ],
)
async def test_L18_what_must_be_protected_is_never_sent_in_clear(security):
    async with Peer() as peer, carrier() as way:
        statuses = await way.carry(delivery(smart(peer, security=security)))
        assert statuses[0].disposition.value == "delayed" and statuses[0].code.startswith("4.7.")
        assert not any("MAIL" in command for command in peer.commands)


async def test_a_cancelled_delivery_leaves_no_half_message_and_gives_its_connection_back():
    gate = asyncio.Event()
    limit = CountedLimit(1)
    async with Peer(gate=gate) as peer, carrier(limit=limit) as way:
        task = asyncio.create_task(way.carry(delivery(smart(peer))))
        await until(lambda: peer.messages)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        assert code(await way.carry(delivery(smart(peer))))[0] == "relayed"


async def test_an_operator_who_asks_for_a_retry_gets_one_though_the_host_failed_just_now():
    async with Peer() as peer, carrier() as way:
        await peer.__aexit__()
        assert code(await way.carry(delivery(smart(peer)))) == ("delayed", "4.4.1")
        async with Peer(port=peer.port) as recovered:
            assert code(await way.carry(delivery(smart(recovered)))) == ("delayed", "4.4.1")
            way.try_again()
            assert code(await way.carry(delivery(smart(recovered)))) == ("relayed", "2.0.0")


async def test_a_host_that_failed_is_asked_again_at_every_attempt_however_short_the_retry_interval_is():
    async with Peer() as peer, carrier(retry_intervals=(timedelta(seconds=0.2),)) as way:
        await peer.__aexit__()
        assert code(await way.carry(delivery(smart(peer)))) == ("delayed", "4.4.1")
        async with Peer(port=peer.port) as recovered:
            await asyncio.sleep(0.2)
            assert code(await way.carry(delivery(smart(recovered)))) == ("relayed", "2.0.0")


async def test_mail_that_waits_for_a_connection_that_is_given_up_is_delayed_and_not_forgotten():
    async with Peer({"GREETING": lambda _line: b""}) as silent, carrier() as way:
        task = asyncio.create_task(way.carry(delivery(smart(silent))))
        await until(lambda: silent.connections)
        closing = asyncio.create_task(way.close())
        assert code(await task) == ("delayed", "4.3.2")
        await closing


async def test_L24_the_last_tenth_of_all_connections_is_kept_for_destinations_without_any():
    limit = CountedLimit(20)
    assert [limit.take("busy.example", 0) for _ in range(20)].count(True) == 18
    assert limit.take("other.example", 0) and not limit.take("other.example", 0)


async def test_attempts_are_events():
    events = []
    async with Peer() as peer, carrier(events=events) as way:
        await way.carry(delivery(smart(peer)))
    assert events[0][0] == "attempt" and events[0][1]["entry"] == "entry-1" and CONTENT


async def test_a_connection_limit_of_many_is_given_back_whole():
    limit = CountedLimit(2)
    async with Peer() as one, Peer() as two, Peer() as three:
        async with carrier(limit=limit) as way:
            routes = [smart(one), smart(two), smart(three)] * 20
            results = await asyncio.gather(*(way.carry(delivery(route)) for route in routes))
            assert {code(statuses)[0] for statuses in results} == {"relayed"}
        assert limit.take("x", 0) and limit.take("x", 0) and not limit.take("x", 0)
