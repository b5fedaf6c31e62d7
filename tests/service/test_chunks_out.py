"""Binary mail goes in chunks where the other server takes them; where it only says so, it is converted."""

import re
from email import message_from_bytes

from mailroot.edge.files.contents import FileContent
from mailroot.mail.envelope import Body
from mailroot.service.relay.chunkless import ChunklessHosts
from mailroot.wire.client import Outcome
from mailroot.wire.offer import Offer
from tests.peers.smtp import EXTENSIONS, Peer
from tests.service.carrying import carrier, delivery, smart

OFFERS = (*EXTENSIONS, "BINARYMIME")
BINARY = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n"
    b"\r\n\0\n.\r\n"
)
SIGNED = BINARY.replace(b"application/x", b'multipart/signed; boundary="b"')


def binary(peer, content=BINARY):
    return delivery(smart(peer), content, body=Body.BINARY)


async def test_a_large_binary_message_streams_in_one_chunk(tmp_path):
    path = tmp_path / "content"
    whole = BINARY + bytes(range(256)) * 4096
    path.write_bytes(whole)
    async with Peer(extensions=OFFERS) as peer, carrier() as way:
        statuses = await way.carry(binary(peer, FileContent(path, len(whole))))
        assert statuses[0].code == "2.0.0" and peer.messages == [whole]
        assert f"BDAT {len(whole)} LAST" in peer.commands and "BODY=BINARYMIME" in peer.commands[1]


async def test_text_goes_as_lines_whatever_is_offered():
    async with Peer(extensions=OFFERS) as peer, carrier() as way:
        await way.carry(delivery(smart(peer)))
        assert "DATA" in peer.commands and not any(line.startswith("BDAT") for line in peer.commands)


async def test_a_chunk_that_is_refused_is_followed_by_lines_on_another_connection_and_never_tried_again():
    async with Peer({"BDAT": "502 5.5.1 what is that"}, OFFERS) as peer, carrier() as way:
        for _ in range(2):
            assert (await way.carry(binary(peer)))[0].code == "2.0.0"
        first, second = peer.connections
        assert [line.split()[0] for line in first.commands] == ["EHLO", "MAIL", "RCPT", "BDAT"]
        assert [line.split()[0] for line in second.commands if line != "QUIT"] == [
            *("EHLO", "MAIL", "RCPT", "DATA"),
            *("RSET", "MAIL", "RCPT", "DATA"),
        ]
        assert len(second.messages) == 2 and b"base64" in second.messages[0]


async def test_after_two_connections_that_were_lost_at_a_chunk_the_next_attempt_goes_as_lines():
    async with Peer({"BDAT": None}, OFFERS) as peer, carrier() as way:
        for _ in range(2):
            lost = await way.carry(binary(peer))
            assert (lost[0].disposition.value, lost[0].code) == ("delayed", "4.4.2")
            way.try_again()
        assert (await way.carry(binary(peer)))[0].code == "2.0.0"
        assert ["DATA" in connection.commands for connection in peer.connections] == [False, False, True]


async def test_one_connection_that_was_lost_is_no_sign_against_chunks():
    async with Peer({"BDAT": [None, "250 2.0.0 ok", None]}, OFFERS) as peer, carrier() as way:
        for code in ("4.4.2", "2.0.0", "4.4.2", "2.0.0"):
            assert (await way.carry(binary(peer)))[0].code == code
            way.try_again()
        assert "DATA" not in peer.commands


async def test_a_kept_connection_that_went_stale_is_replaced_for_binary_mail_too():
    async with Peer({"RSET": "421 4.3.2 bye"}, OFFERS) as peer, carrier() as way:
        assert [(await way.carry(binary(peer)))[0].code for _ in range(2)] == ["2.0.0"] * 2
        assert len(peer.connections) == 2 and "DATA" not in peer.commands


async def test_what_cannot_be_converted_is_tried_in_chunks_again_and_fails_in_the_end():
    async with Peer({"BDAT": "502 5.5.1 what is that"}, OFFERS) as peer, carrier() as way:
        for tries in (2, 3):
            failed = await way.carry(binary(peer, SIGNED))
            assert (failed[0].disposition.value, failed[0].reply) == ("failed", "502 5.5.1 what is that")
            assert len(peer.connections) == tries


async def test_a_message_that_is_refused_for_itself_is_no_sign_against_chunks():
    async with Peer({"BDAT": ["554 5.7.1 spam"]}, OFFERS) as peer, carrier() as way:
        assert (await way.carry(binary(peer)))[0].code == "5.7.1"
        assert (await way.carry(binary(peer)))[0].code == "2.0.0"
        assert len(peer.connections) == 1 and sum(line.startswith("BDAT") for line in peer.commands) == 2


def test_a_host_is_forgotten_after_an_hour_and_there_are_not_too_many():
    now = [0.0]
    hosts, offer, refused = ChunklessHosts(lambda: now[0]), Offer(binary=True), Outcome({}, stale=True, unchunked=True)
    assert hosts.heard("first", refused) and not hosts.heard("first", refused)
    assert not hosts.without("first", offer).binary and hosts.without("other", offer) is offer
    now[0] = 3601.0
    assert hosts.without("first", offer).binary and hosts.heard("first", refused)
    for number in range(2000):
        hosts.heard(number, refused)
    assert hosts.without("first", offer).binary and not hosts.without(1999, offer).binary


async def test_a_large_text_that_was_only_announced_as_binary_goes_as_it_is(tmp_path):
    text = b"Subject: x\r\n\r\n" + "Grüße\r\n".encode() * 1000
    (tmp_path / "text").write_bytes(text)
    async with Peer() as peer, carrier() as way:
        statuses = await way.carry(binary(peer, FileContent(tmp_path / "text", len(text))))
        assert statuses[0].code == "2.0.0" and peer.messages == [text]


async def test_large_binary_content_is_converted_while_it_is_sent(tmp_path):
    octets = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(b"Subject: x\r\nContent-Type: image/png\r\n\r\n" + octets)
    content = FileContent(tmp_path / "file", (tmp_path / "file").stat().st_size)
    async with Peer() as peer, carrier() as way:
        assert (await way.carry(binary(peer, content)))[0].code == "2.0.0"
        assert not any("BODY=BINARYMIME" in line for line in peer.commands)
        (size,) = [int(found[1]) for line in peer.commands if (found := re.search(r" SIZE=(\d+)", line))]
        assert size == len(peer.messages[0])
        assert message_from_bytes(peer.messages[0]).get_payload(decode=True) == octets


async def test_content_that_is_damaged_is_not_converted_but_tried_again(tmp_path):
    (tmp_path / "file").write_bytes(b"Subject: x\r\n\r\n\0\r\n")
    async with Peer() as peer, carrier() as way:
        status = (await way.carry(binary(peer, FileContent(tmp_path / "file", 19, checksum=1))))[0]
        assert (status.disposition.value, status.code) == ("delayed", "4.3.0") and not peer.messages
