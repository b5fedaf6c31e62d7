"""What a fuzzer may throw at: each target takes octets, and must neither raise nor break its promise."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailroot.cli.sendmail.letter import Account, Unaddressed, letter, text_of
from mailroot.mail.address import Mailbox
from mailroot.mail.dkim import SigningKey, author, fields_of, signature
from mailroot.mail.mime import is_binary_text
from mailroot.mail.reply import Reply
from mailroot.mail.sevenbit import Unconvertible, converted, seven_bit
from mailroot.routing.directory.entry import read_entry
from mailroot.routing.directory.questions import encoded
from mailroot.routing.directory.schemas import SCHEMAS
from mailroot.settings.filters import parse_filter
from mailroot.wire import commands
from mailroot.wire.auth import parse_auth
from mailroot.wire.grammar import Path, parse_path
from mailroot.wire.ldap import messages
from mailroot.wire.ldap.ber import SEQUENCE, BadBer, Splitter, integer, tlv
from mailroot.wire.profile import ServerProfile
from mailroot.wire.sasl.client import CLIENT_MECHANISMS
from mailroot.wire.sasl.server import MECHANISMS
from mailroot.wire.server import ServerEngine
from mailroot.wire.turning import parse_domains, parse_node
from tests.dialogue import GREETING, Policy, pump
from tests.wire.sasl import strangers


def path(octets: bytes) -> None:
    """A path that was read is printable, short, and reads the same again."""
    parsed = parse_path(octets.decode(errors="surrogateescape"))
    if isinstance(parsed, Reply) or parsed.mailbox is None:
        return
    text = str(parsed.mailbox)
    assert not any(character < " " or character == "\x7f" for character in text)
    assert len(text.encode()) <= 254
    again = parse_path(f"<{text}>")
    assert isinstance(again, Path)
    assert again.mailbox == parsed.mailbox


def arguments(octets: bytes) -> None:
    """No parser of arguments raises."""
    for parse in (
        commands.parse_hello,
        commands.parse_mail,
        commands.parse_rcpt,
        commands.parse_verify,
        commands.parse_chunk,
        parse_auth,
        parse_node,
        parse_domains,
    ):
        for smtputf8 in (False, True):
            parse(octets, smtputf8)
    commands.parse_mail(b"FROM:<a@b> " + octets, False)
    commands.parse_rcpt(b"TO:<a@b> " + octets, True)


def conversation(octets: bytes) -> None:
    """The engine neither raises nor keeps what it has read, and answers in whole lines."""
    engine = ServerEngine(
        ServerProfile(
            "m", "127.0.0.1", size_limit=1000, strict_pipelining=False, mechanisms=("PLAIN",), holds=True, turns=True
        )
    )
    engine.greet(GREETING)
    policy = Policy()
    written = pump(engine, policy)
    for at in range(0, len(octets), 16):
        engine.feed(octets[at : at + 16])
        written += pump(engine, policy)
    engine.end_of_input()
    written += pump(engine, policy)
    assert written.endswith(b"\r\n")
    assert engine.closing


def signing_in(octets: bytes) -> None:
    """No mechanism raises, neither side, and none signs in who cannot know the password."""
    if not octets:
        return
    row, *messages = octets[0], *octets[1:].split(b"\n\n")
    strangers.approach(MECHANISMS[row % len(MECHANISMS)], messages)
    strangers.answer(CLIENT_MECHANISMS[row % len(CLIENT_MECHANISMS)], messages)


def message(octets: bytes) -> None:
    """What reads the header of a message neither raises nor loses an octet of its body."""
    fields = fields_of(octets)
    author(fields)
    key = SigningKey("d.example", "s", "rsa-sha256", lambda text: text[:16])
    assert signature(fields, b"x" * 32, key, {b"from"}, 1).endswith(b"\r\n")
    try:
        made = letter(text_of(octets, dot_ends=True), ["a@b"], True, None, Account(Mailbox("a", "b"), "A"))
    except Unaddressed:
        return
    assert made.recipients and made.content.replace(b"\r\n", b"").count(b"\n") == 0
    try:
        whole = seven_bit(octets)
    except Unconvertible:
        return
    assert whole.isascii() and not is_binary_text(whole)
    half = len(octets) // 2
    assert b"".join(converted(InHalves(octets[:half], octets[half:])).pieces()) == whole


@dataclass(frozen=True)
class InHalves:
    """Content that comes in two pieces."""

    first: bytes
    second: bytes
    in_memory: bool = False

    @property
    def size(self) -> int:
        return len(self.first) + len(self.second)

    def pieces(self) -> Iterator[bytes]:
        yield from filter(None, (self.first, self.second))


def directory(octets: bytes) -> None:
    """No answer of a directory raises but by `BadBer`, and no value of it becomes an address that mail cannot have."""
    splitter = Splitter(1000)
    try:
        for message in [*splitter.feed(octets), octets, tlv(SEQUENCE, integer(1), tlv(0x64, octets))]:
            _, said = messages.read(message)
            if isinstance(said, messages.Found):
                _read(said)
    except BadBer:
        pass
    _read(messages.Found("cn=x", {"mail": (octets,), "proxyaddresses": (b"smtp:" + octets, octets)}))


def _read(found: messages.Found) -> None:
    for schema in SCHEMAS.values():
        entry = read_entry(found.dn, found.attributes, schema)
        for mailbox in (*entry.forward, *entry.member_addresses, *([entry.mailbox] if entry.mailbox else [])):
            assert str(mailbox).isprintable()
            assert len(str(mailbox).encode()) <= 256


def search_filter(octets: bytes) -> None:
    """A filter is refused by `ValueError`, or can be filled with anything."""
    try:
        made = parse_filter(octets.decode(errors="replace"), frozenset({"address"}))
    except ValueError:
        return
    assert encoded(made.root, {"address": octets})


_ALL = (path, arguments, conversation, signing_in, message, directory, search_filter)
TARGETS = {target.__name__: target for target in _ALL}
