"""The protocol log under conversations that nobody wrote: each command once, with its own reply; no line breaks."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mailroot.edge.protocollog.entry import Entry, Party
from mailroot.edge.protocollog.forms import IisForm, JsonForm, NcsaForm, Site, W3cForm
from mailroot.edge.protocollog.recorder import Recorder
from mailroot.edge.protocollog.visit import Visit
from mailroot.settings.log import FIELDS
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import ServerEngine
from tests.dialogue import GREETING, Policy, pump
from tests.property.test_wire_server import CONVERSATION, OPENING, PROFILES, REPLY

SITE = Site("SMTPSVC1", "HOST", "default")
FORMS = [W3cForm(FIELDS, SITE), IisForm(SITE), NcsaForm(), JsonForm(SITE)]
# Values of fields: what a client may send, in any octets.
HOSTILE = st.binary(max_size=40) | st.sampled_from(
    [b"#Fields: x", b'"', b"a, b", b"\x1b]0;x\x07", "\u202egnp".encode(), b"a\rb", b"%0d%0a", b"\xff\xfe", b"\x7f"]
)


def entries_of(profile: ServerProfile, pieces: list[bytes]) -> tuple[list[Entry], bytes]:
    """The entries of a conversation, and all that the server wrote."""
    visit = Visit(recorder := Recorder(), Party("s1", "192.0.2.1", "192.0.2.2", 0), b"OURS")
    engine, policy = ServerEngine(profile, visit.journal), Policy("local")
    engine.greet(GREETING)
    written = b""
    for piece in [b"", *pieces]:
        engine.feed(piece)
        output = pump(engine, policy)
        if output:
            visit.tell(output)
        written += output
    visit.end()
    entries: list[Entry] = []
    for record in recorder.taken():
        visit.read(record, entries)
    return entries, written


@settings(max_examples=300, deadline=None)
@given(PROFILES, OPENING, CONVERSATION, st.data())
def test_each_reply_is_told_once_however_the_input_is_cut(
    profile: ServerProfile, opening: bytes, conversation: bytes, data: st.DataObject
) -> None:
    raw = opening + conversation
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    whole, written = entries_of(profile, [raw])
    cut, _ = entries_of(profile, pieces)
    assert [entry[2:9] for entry in whole[:-1]] == [entry[2:9] for entry in cut[:-1]]
    assert whole[-1][3] == "QUIT"
    # The greeting is the one reply that is not told of. All octets are somebody's.
    replies = REPLY.findall(written)
    assert sum(entry[7] for entry in whole) + len(replies[0]) >= len(written) - sum(
        len(reply) for reply in replies if reply[:3] in {b"334", b"354"}
    )
    assert sum(entry[7] for entry in whole) + len(replies[0]) <= len(written)
    statuses = [reply[:3].decode() for reply in replies[1:] if reply[:3] not in {b"334", b"354"}]
    told = [entry[5].replace("240", "221") for entry in whole if entry[5] != "0" and entry[11]]
    assert told == statuses


@settings(max_examples=200, deadline=None)
@given(PROFILES, st.lists(HOSTILE, max_size=6), st.sampled_from([b"EHLO ", b"MAIL FROM:", b"RCPT TO:", b"", b"QUIT "]))
def test_O02_a_line_is_a_line_in_every_form(profile: ServerProfile, values: list[bytes], lead: bytes) -> None:
    entries, _ = entries_of(profile, [lead + value.replace(b"\n", b"") + b"\r\n" for value in values])
    for entry in entries:
        for form in FORMS:
            assert re.search(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e]", form.line(entry)) is None
        w3c = FORMS[0].line(entry)
        assert len(w3c.split(" ")) == len(FIELDS)
        for first in ("cs-username", "cs-method", "cs-uri-query"):
            assert W3cForm([first, "time"], SITE).line(entry)[0] not in '#"'
        assert FORMS[1].line(entry).count(",") == 15
        assert FORMS[2].line(entry).count('"') == 2
