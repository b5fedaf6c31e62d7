"""The engine under conversations that nobody wrote: whatever comes, and however it is cut."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mailroot.wire.lines import LINE_LIMIT
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import ServerEngine
from mailroot.wire.table import FRESH
from tests.dialogue import GREETING, Policy, pump

WORDS = [
    b"EHLO x\r\n",
    b"HELO x\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<> BODY=BINARYMIME SIZE=5\r\n",
    b"RCPT TO:<c@local.test>\r\n",
    b"RCPT TO:<c@x.test>\r\n",
    b"DATA\r\n",
    b"text\r\n",
    b"..\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b".\n",
    b"\r",
    b"\n",
    b"BDAT 4\r\n",
    b"BDAT 4 LAST\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 99\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY x\r\n",
    b"STARTTLS\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH PLAIN AHVzZXIAcmlnaHQ=\r\n",
    b"AUTH PLAIN !\r\n",
    b"dXNlcg==\r\n",
    b"*\r\n",
    b"A" * 12400 + b"\r\n",
    b"ETRN @held.test\r\n",
    b"ETRN other.test\r\n",
    b"ATRN\r\n",
    b"ATRN empty.test,held.test\r\n",
    b"TURN\r\n",
    b"XYZZY\r\n",
    b"NOOP " + b"x" * 3000 + b"\r\n",
    b"MAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\n",
    b"\x16\x03",
    b"QUIT\r\n",
    b"abcd",
]
CONVERSATION = st.lists(st.sampled_from(WORDS) | st.binary(max_size=8), max_size=30).map(b"".join)
# The usual beginning, so that most conversations come as far as content.
OPENING = st.sampled_from([b"", b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@local.test>\r\n"])
PROFILES = st.builds(
    ServerProfile,
    fqdn=st.just("mail.example.test"),
    client_address=st.just("127.0.0.1"),
    size_limit=st.sampled_from([0, 12, 1000]),
    session_limit=st.sampled_from([0, 30]),
    recipient_limit=st.sampled_from([0, 1]),
    error_limit=st.sampled_from([0, 3]),
    junk_limit=st.sampled_from([3, 100]),
    reject_bare_newline=st.booleans(),
    default_domain=st.just("local.test"),
    starttls=st.booleans(),
    tls_required=st.booleans(),
    mechanisms=st.sampled_from([(), ("LOGIN", "PLAIN")]),
    auth_limit=st.sampled_from([0, 2]),
    holds=st.booleans(),
    turns=st.booleans(),
    strict_pipelining=st.just(False),  # which is about what comes in one write
)
REPLY = re.compile(rb"(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n")


def _run(profile: ServerProfile, pieces: list[bytes]) -> tuple[bytes, Policy]:
    engine, policy = ServerEngine(profile), Policy("local")
    engine.greet(GREETING)
    written = pump(engine, policy)
    for piece in pieces:
        engine.feed(piece)
        written += pump(engine, policy)
    engine.end_of_input()
    return written + pump(engine, policy), policy


@settings(max_examples=400, deadline=None)
@given(PROFILES, OPENING, CONVERSATION, st.data())
def test_any_split_gives_the_same_events_and_octets(
    profile: ServerProfile, opening: bytes, conversation: bytes, data: st.DataObject
) -> None:
    raw = opening + conversation
    whole = _run(profile, [raw])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    for cut in (pieces, [raw[at : at + 1] for at in range(len(raw))]):
        written, policy = _run(profile, cut)
        assert written == whole[0]
        assert policy.events == whole[1].events
        assert policy.messages == whole[1].messages


@settings(max_examples=200, deadline=None)
@given(PROFILES, OPENING, CONVERSATION)
def test_output_is_whole_replies_and_memory_is_bounded(
    profile: ServerProfile, opening: bytes, conversation: bytes
) -> None:
    engine, policy = ServerEngine(profile), Policy("local")
    engine.greet(GREETING)
    for piece in (opening, conversation):
        engine.feed(piece)
        assert REPLY.sub(b"", pump(engine, policy)) == b""
        assert len(engine._dialogue.input) <= LINE_LIMIT or engine._dialogue.state is FRESH
        assert not engine._dialogue.events


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([b"RSET", b"NOOP", b"XYZZY", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"VRFY a", b"EHLO"]))
)
def test_one_reply_per_command(commands: list[bytes]) -> None:
    profile = ServerProfile("m", "127.0.0.1", error_limit=0, junk_limit=0, strict_pipelining=False)
    raw = b"".join(command + b"\r\n" for command in commands)
    engine = ServerEngine(profile)
    engine.greet(GREETING)
    pump(engine, Policy())
    engine.feed(raw)
    assert len(REPLY.findall(pump(engine, Policy()))) == len(commands)
