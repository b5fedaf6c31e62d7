"""What leaves is signed: whose mail, by which keys, and of exactly the octets that the other server has."""

from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import dkim
import pytest

from mailroot.edge.files.contents import FileContent
from mailroot.edge.signingkeys import make, read
from mailroot.mail.envelope import Body
from mailroot.mail.status import Status
from mailroot.service.relay.parcel import prepare
from mailroot.service.relay.signing import Signer
from mailroot.settings.dkim import Dkim, DkimKey
from mailroot.settings.domains import Domain
from mailroot.settings.virtualserver import VirtualServer
from mailroot.wire.offer import Offer
from tests.peers.smtp import EXTENSIONS, Peer
from tests.service.carrying import NOW, carrier, delivery, smart

RSA, OTHER_RSA, ED25519 = make("rsa").decode(), make("rsa").decode(), make("ed25519").decode()
MESSAGE = b"From: Ann <ann@ours.example>\r\nSubject: hello\r\n\r\n.body \r\n\r\n\r\n"
LATER, BEFORE = NOW + timedelta(days=1), NOW - timedelta(days=1)


def domains(**keys):
    return {
        "ours.example": Domain(
            dkim={name: key if isinstance(key, DkimKey) else DkimKey(key) for name, key in keys.items()}
        )
    }


def verified(message, **keys):
    """How many signatures dkimpy finds, all of which it must believe."""

    def look_up(name, timeout=5):
        return read(keys[name.partition(b".")[0].decode()]).record.encode()

    count = message.lower().count(b"dkim-signature:")
    checker = dkim.DKIM(message)
    for number in range(count):
        assert checker.verify(number, dnsfunc=look_up), number
    return count


async def leaves(content, source="submission", keys=None, offers=EXTENSIONS, **more):
    """What the other server has of a message."""
    async with Peer(extensions=offers) as peer, carrier(domains=domains(**(keys or {"s": RSA}))) as way:
        statuses = await way.carry(delivery(smart(peer), content, source=source, **more))
        assert statuses[0].code == "2.0.0", statuses
        return peer.messages[0]


@pytest.mark.parametrize("source", ["submission", "pickup", "report"])
async def test_mail_of_ours_is_signed(source):
    message = await leaves(MESSAGE, source)
    assert verified(message, s=RSA) == 1 and message.endswith(MESSAGE)


async def test_a_strangers_mail_is_never_signed_whatever_name_it_bears():
    assert await leaves(MESSAGE, "smtp") == MESSAGE


@pytest.mark.parametrize(
    "author", [b"ann@there.example", b"ann@ours.example.com", b"ann@example", b"", b"a@there.example, b@ours.example"]
)
async def test_other_authors_mail_is_not_signed(author):
    message = MESSAGE.replace(b"Ann <ann@ours.example>", author)
    assert await leaves(message) == message


async def test_two_authors_fields_are_not_signed():
    message = b"From: eve@there.example\r\n" + MESSAGE
    assert await leaves(message) == message


async def test_a_domain_below_is_signed_by_the_key_above():
    message = await leaves(MESSAGE.replace(b"@ours", b"@app.Ours"))
    assert b"d=ours.example;" in message and verified(message, s=RSA) == 1


async def test_each_kind_of_key_signs_once():
    message = await leaves(MESSAGE, keys={"old": RSA, "new": OTHER_RSA, "e": ED25519})
    assert verified(message, new=OTHER_RSA, e=ED25519) == 2


@pytest.mark.parametrize(
    ("moments", "signs"),
    [((None, LATER), "a"), ((None, BEFORE), "b"), ((BEFORE, None), "a"), ((LATER, LATER), ""), ((LATER, NOW), "b")],
)
async def test_the_latest_key_that_counts_signs(moments, signs):
    keys = {"a": DkimKey(RSA, active_from=moments[0]), "b": DkimKey(OTHER_RSA, active_from=moments[1])}
    message = await leaves(MESSAGE, keys=keys)
    assert verified(message, a=RSA, b=OTHER_RSA) == bool(signs)
    assert (f"s={signs};".encode() in message) is bool(signs)


async def test_what_is_converted_is_signed_as_it_goes_out():
    text = MESSAGE.replace(b".body", "Grüße".encode())
    message = await leaves(text, offers=("PIPELINING",), body=Body.EIGHT_BIT)
    assert message.isascii() and b"quoted-printable" in message and verified(message, s=RSA) == 1


async def test_a_large_message_is_signed_as_it_streams(tmp_path: Path):
    body = b"".join(b".line %d \t of many\r\n" % number for number in range(40_000)) + b"\r\n\r\n"
    head = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\nX-Long: " + b"x" * 300_000 + b"\r\n\r\n"
    path = tmp_path / "content"
    path.write_bytes(head + body)
    message = await leaves(FileContent(path, len(head + body)))
    assert verified(message, s=RSA) == 1 and message.endswith(head + body)


async def test_a_large_message_is_signed_as_it_is_converted_while_it_streams(tmp_path: Path):
    text = b"".join(".Grüße aus Köln, %d mal \t\r\n".encode() % number for number in range(20_000)) + b"\r\n\r\n"
    picture = bytes(range(256)) * 4_000
    kind = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    parts = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text
    parts += b"\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + picture
    whole = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n" + kind + parts + b"\r\n--b--\r\n"
    path = tmp_path / "content"
    path.write_bytes(whole)
    content = FileContent(path, len(whole))
    message = await leaves(content, offers=("PIPELINING", "SIZE"), keys={"a": RSA, "b": ED25519}, body=Body.BINARY)
    assert message.isascii() and verified(message, a=RSA, b=ED25519) == 2
    said = message_from_bytes(message, policy=policy.default)
    assert [part.get_payload(decode=True) for part in said.iter_parts()] == [text, picture]


async def test_a_broken_key_is_told_of_once_and_mail_goes_unsigned():
    events = []
    async with Peer() as peer, carrier(domains=domains(s="no key"), events=events) as way:
        for _ in range(2):
            await way.carry(delivery(smart(peer), MESSAGE, source="pickup"))
    assert peer.messages == [MESSAGE] * 2
    (told,) = [fields for name, fields in events if name == "signing_failed"]
    assert (told["domain"], told["selector"]) == ("ours.example", "s") and "PEM" in told["cause"]


async def test_events_tell_which_key_signed():
    events = []
    async with Peer() as peer, carrier(domains=domains(s=RSA), events=events) as way:
        await way.carry(delivery(smart(peer), MESSAGE, source="pickup"))
    assert [fields["dkim"] for name, fields in events if name == "attempt"] == ["ours.example/s"]


async def test_a_signature_counts_towards_the_servers_size_limit():
    entry = delivery(None, MESSAGE, source="pickup").entry
    signer = Signer("x", VirtualServer(domains=domains(s=RSA)), lambda row, **fields: None, lambda: NOW)
    tight = await prepare(entry, Offer(size=len(MESSAGE)), signer)
    assert isinstance(tight, Status) and tight.code == "5.3.4"


async def test_reports_go_unsigned_where_the_settings_say_so():
    settings = VirtualServer(domains=domains(s=RSA), dkim=Dkim(reports=False))
    signer = Signer("x", settings, lambda row, **fields: None, lambda: NOW)
    entry = delivery(None, MESSAGE, source="report").entry
    assert not (await signer.sign(entry, entry.content)).fields


async def test_the_same_octets_are_signed_once_for_several_destinations(monkeypatch):
    signer = Signer("x", VirtualServer(domains=domains(s=RSA)), lambda row, **fields: None, lambda: NOW)
    entry = delivery(None, MESSAGE, source="pickup").entry
    first = await signer.sign(entry, entry.content)
    assert await signer.sign(entry, entry.content) is first
