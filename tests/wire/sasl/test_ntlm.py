"""NTLM: null sessions first; then published values, our client against our server, and what is changed between them."""

import struct
from dataclasses import replace

import pytest

from mailroot.wire.sasl import ntlmwords
from mailroot.wire.sasl.gssapi import accept_by_context
from mailroot.wire.sasl.keys import nt_hash
from mailroot.wire.sasl.ntlm import accept_ntlm
from mailroot.wire.sasl.ntlmclient import present_ntlm
from mailroot.wire.sasl.ntlmproof import (
    blob_of,
    checksum,
    lm_response,
    proof_of,
    read_response,
    response_key,
    session_key,
)
from mailroot.wire.sasl.ntlmwords import Flag, Pair
from mailroot.wire.sasl.words import Abandoned, Credentials, Malformed, NotSignedIn, SignedIn
from tests.wire.sasl.exchange import (
    BINDING,
    CLIENT_OPENING,
    NOW,
    OPENING,
    OTHER_BINDING,
    PASSWORD,
    USER,
    Book,
    accept,
    converse,
)

BOUND = replace(OPENING, binding=BINDING)
CLIENT_BOUND = replace(CLIENT_OPENING, binding=BINDING)
WISHES = Flag.UNICODE | Flag.NTLM
NEGOTIATE = ntlmwords.negotiate(WISHES)
NULL_SESSIONS = {
    "no name, one zero of LM (MS-NLMP 3.1.5.1.2)": (b"\0", b"", ("", "", "")),
    "nothing at all": (b"", b"", ("", "", "")),
    "a name and no response": (b"\0", b"", ("", USER, "")),
    "a name and LM alone": (bytes(24), b"", ("", USER, "")),
    "no name and a response": (bytes(24), bytes(16) + blob_of(bytes(8), bytes(8), bytes(4)), ("DOM", "", "")),
    "a name of nothing that is seen": (
        bytes(24),
        bytes(16) + blob_of(bytes(8), bytes(8), bytes(4)),
        ("", "\u00ad", ""),
    ),
}


def last_message(lm: bytes, nt: bytes, names: tuple[str, str, str], flags: Flag = WISHES) -> bytes:
    domain, user, workstation = (name.encode("utf-16-le") for name in names)
    return ntlmwords.authenticate(flags, lm, nt, (domain, user, workstation))


@pytest.mark.parametrize("message", NULL_SESSIONS.values(), ids=NULL_SESSIONS)
def test_a_null_session_signs_nobody_in_and_nobody_is_asked(message):
    book = Book({"": "", USER: PASSWORD})
    _, outcome = accept(accept_ntlm(OPENING), [NEGOTIATE, last_message(*message)], book)
    assert isinstance(outcome, NotSignedIn)
    assert outcome.cause == "a null session"
    assert book.asked == []


@pytest.mark.parametrize("message", list(NULL_SESSIONS.values())[:-1], ids=list(NULL_SESSIONS)[:-1])
def test_samba_never_sees_a_null_session(message):
    exchange = accept_by_context(OPENING)
    exchange.send(None)
    with pytest.raises(StopIteration) as ended:
        exchange.send(last_message(*message))
    assert ended.value.value == NotSignedIn("a null session")


def test_samba_never_sees_a_last_message_that_cannot_be_read():
    exchange = accept_by_context(OPENING)
    exchange.send(None)
    with pytest.raises(StopIteration) as ended:
        exchange.send(b"NTLMSSP\0\3\0\0\0" + bytes(30))
    assert ended.value.value == NotSignedIn("a null session")


def test_an_empty_password_is_a_password_like_any_other_one():
    credentials = Credentials(USER, "")
    outcome = converse(accept_ntlm, present_ntlm(replace(CLIENT_OPENING, credentials=credentials)))
    assert outcome == NotSignedIn("the proof is wrong, or the account has no NT hash", USER)


# MS-NLMP section 4.2.4: the values that are published for NTLMv2.
CHALLENGE = bytes.fromhex("0123456789abcdef")
OWN_CHALLENGE = b"\xaa" * 8
TARGET_INFO = ntlmwords.written({2: "Domain".encode("utf-16-le"), 1: "Server".encode("utf-16-le")})
BLOB = blob_of(bytes(8), OWN_CHALLENGE, TARGET_INFO)
KEY = response_key(nt_hash("Password"), "User", "Domain")


def test_the_published_values():
    assert KEY.hex() == "0c868a403bfd7a93a3001ef22ef02e3f"
    proof = proof_of(KEY, CHALLENGE, BLOB)
    assert proof.hex() == "68cd0ab851e51c96aabc927bebef6a1c"
    assert lm_response(KEY, CHALLENGE, OWN_CHALLENGE).hex() == "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    assert session_key(KEY, proof, b"").hex() == "8de40ccadbc14a82f15cb0ad0de95ca3"
    assert session_key(KEY, proof, bytes.fromhex("c5dad2544fc9799094ce1ce90bc9d03e")) == b"\x55" * 16


def test_what_is_written_is_read():
    message = last_message(b"l" * 24, b"n" * 60, ("D", "u\u00fcser", "W"))
    last = ntlmwords.read_authenticate(message)
    assert (last.lm, last.nt, last.flags, last.checksum) == (b"l" * 24, b"n" * 60, WISHES, bytes(16))
    assert ntlmwords.text(last.user, WISHES) == "u\u00fcser"
    assert ntlmwords.read_authenticate(ntlmwords.with_checksum(message, b"c" * 16)).checksum == b"c" * 16
    asked = ntlmwords.read_challenge(ntlmwords.challenge(WISHES, CHALLENGE, b"T\0", {1: b"x", 7: bytes(8)}))
    assert (asked.flags, asked.challenge, asked.pairs) == (WISHES, CHALLENGE, {1: b"x", 7: bytes(8)})


def test_the_sharp_s_has_no_upper_case_in_windows():
    assert response_key(bytes(16), "stra\u00dfe", "") == response_key(bytes(16), "STRA\u00dfE", "")
    assert response_key(bytes(16), "strasse", "") != response_key(bytes(16), "stra\u00dfe", "")


def test_our_client_signs_in_to_our_server():
    assert converse(accept_ntlm, present_ntlm(CLIENT_OPENING)) == SignedIn(USER)


def test_the_strict_server_takes_a_client_that_proves_everything():
    assert converse(accept_ntlm, present_ntlm(CLIENT_BOUND), replace(BOUND, strict=True)) == SignedIn(USER)
    assert converse(accept_ntlm, present_ntlm(CLIENT_OPENING), replace(OPENING, strict=True)) == SignedIn(USER)


def test_an_exchange_without_initial_response_begins_with_an_empty_challenge():
    assert accept_ntlm(OPENING).send(None).data == b""


@pytest.mark.parametrize(
    ("user", "domain", "asked"),
    [
        ("ann", "", ("ann", "")),
        ("ann", ".", ("ann", "")),
        ("ann", "MAIL", ("ann", "")),
        ("ann", "mail", ("ann", "")),
        ("ann", "Mail.Example.com", ("ann", "")),
        ("ann", "DOM", ("ann", "DOM")),
        ("ann%DOM", "", ("ann", "DOM")),
        ("ann%mail", "", ("ann", "")),
        ("DOM\\ann", "", ("ann", "DOM")),
        (".\\ann", "", ("ann", "")),
        ("ann@dom.example", "", ("ann@dom.example", "")),
        ("a%b", "DOM", ("a%b", "DOM")),
    ],
)
def test_the_domain_that_is_meant(user, domain, asked):
    book = Book({asked[0]: "secret"})
    client = present_ntlm(replace(CLIENT_OPENING, credentials=Credentials(user, "secret", domain=domain)))
    outcome = converse(accept_ntlm, client, book=book)
    assert [(question.user, question.domain) for question in book.asked] == [asked]
    assert outcome == SignedIn(f"{asked[1]}\\{asked[0]}" if asked[1] else asked[0])


def test_F22_an_unknown_user_is_no_guest():
    for name, book in (("bob", Book()), (USER, Book({USER: "another"}))):
        client = present_ntlm(replace(CLIENT_OPENING, credentials=Credentials(name, PASSWORD)))
        outcome = converse(accept_ntlm, client, book=book)
        assert outcome == NotSignedIn("the proof is wrong, or the account has no NT hash", name)


def test_the_proof_made_without_a_hash_signs_nobody_in():
    first = accept_ntlm(replace(OPENING, initial=NEGOTIATE)).send(None).data
    asked = ntlmwords.read_challenge(first)
    blob = blob_of(bytes(8), bytes(8), asked.target_info)
    nt = proof_of(response_key(bytes(16), "bob", ""), asked.challenge, blob) + blob
    _, outcome = accept(accept_ntlm(OPENING), [NEGOTIATE, last_message(bytes(24), nt, ("", "bob", ""))])
    assert isinstance(outcome, NotSignedIn)


@pytest.mark.parametrize("nt", [bytes(24), b"\1\1" * 12, bytes(16) + b"\1\1" + bytes(26), bytes(60), b"n"])
def test_NTLMv1_and_what_is_no_response_are_refused_unasked(nt):
    book = Book()
    _, outcome = accept(accept_ntlm(OPENING), [NEGOTIATE, last_message(bytes(24), nt, ("", USER, ""))], book)
    assert outcome == NotSignedIn("NTLMv1, or no NTLM at all", USER)
    assert book.asked == []


def answered(flags: Flag = WISHES, head: int = 88, pairs: dict[int, bytes] | None = None, user: str = USER) -> bytes:
    """The last message of a client that adds no checksum, its head cut to a length that older clients write."""
    first = accept_ntlm(replace(OPENING, initial=NEGOTIATE)).send(None).data
    asked = ntlmwords.read_challenge(first)
    blob = blob_of(bytes(8), bytes(8), ntlmwords.written({**asked.pairs, **(pairs or {})}))
    nt = proof_of(response_key(nt_hash(PASSWORD), user, ""), asked.challenge, blob) + blob
    values = (bytes(24), nt, b"", user.encode("utf-16-le"), b"", b"")
    fields, payload = b"", b""
    for value in values:
        fields += struct.pack("<HHI", len(value), len(value), head + len(payload))
        payload += value
    whole = b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", flags) + bytes(24)
    return whole[:head] + payload


@pytest.mark.parametrize("head", [52, 64, 72, 88])
def test_heads_of_every_age_are_read(head):
    assert accept(accept_ntlm(OPENING), [NEGOTIATE, answered(head=head)])[1] == SignedIn(USER)


def test_a_last_message_with_flags_0_is_read_by_those_that_were_agreed_on():
    assert accept(accept_ntlm(OPENING), [NEGOTIATE, answered(Flag(0), 64)])[1] == SignedIn(USER)


def test_a_client_of_the_oem_character_set_is_read():
    negotiate = ntlmwords.negotiate(Flag.OEM | Flag.NTLM)
    second = accept_ntlm(replace(OPENING, initial=negotiate)).send(None).data
    asked = ntlmwords.read_challenge(second)
    assert asked.flags & Flag.OEM
    assert not asked.flags & Flag.UNICODE
    blob = blob_of(bytes(8), bytes(8), asked.target_info)
    nt = proof_of(response_key(nt_hash(PASSWORD), USER, ""), asked.challenge, blob) + blob
    last = ntlmwords.authenticate(Flag.OEM, b"", nt, (b"", USER.encode(), b""))
    assert accept(accept_ntlm(OPENING), [negotiate, last])[1] == SignedIn(USER)


def changed(old: int, new: int = 0xFF) -> object:
    """Our client's last message with one octet changed behind its checksum."""
    server, client = accept_ntlm(OPENING), present_ntlm(CLIENT_OPENING)
    server.send(None)
    last = client.send(server.send(client.send(None).data).data).data
    octets = bytearray(last)
    octets[old] ^= new
    return accept(accept_ntlm(OPENING), [ntlmwords.negotiate(negotiate_flags()), bytes(octets)])[1]


def negotiate_flags() -> Flag:
    return ntlmwords.read_negotiate(present_ntlm(CLIENT_OPENING).send(None).data)


@pytest.mark.parametrize("place", [61, 65, 72, 87, 90, 112, 140])
def test_G13_a_last_message_that_was_changed_is_refused(place):
    assert changed(0, 0) == SignedIn(USER)
    assert isinstance(changed(place), NotSignedIn)


def test_G13_a_first_message_that_was_changed_is_refused():
    server, client = accept_ntlm(OPENING), present_ntlm(CLIENT_OPENING)
    server.send(None)
    first = ntlmwords.negotiate(ntlmwords.read_negotiate(client.send(None).data) & ~Flag.KEY_128)
    second = server.send(first).data
    server.send(client.send(second).data)
    with pytest.raises(StopIteration) as ended:
        server.send(nt_hash(PASSWORD))
    assert ended.value.value == NotSignedIn("the messages were changed on the way", USER)


def test_G13_a_checksum_that_was_cut_off_is_missed():
    response = answered(head=64, pairs={Pair.FLAGS: b"\2\0\0\0"})
    assert accept(accept_ntlm(OPENING), [NEGOTIATE, response])[1] == NotSignedIn("the checksum is missing", USER)
    response = answered(Flag.KEY_EXCHANGE, pairs={Pair.FLAGS: b"\2\0\0\0"})
    assert accept(accept_ntlm(OPENING), [NEGOTIATE, response])[1] == NotSignedIn("the checksum is missing", USER)


def test_G13_a_replayed_exchange_is_refused():
    later = replace(OPENING, random=bytes(32))
    assert isinstance(accept(accept_ntlm(later), [NEGOTIATE, answered()])[1], NotSignedIn)


@pytest.mark.parametrize("opening", [replace(OPENING, binding=OTHER_BINDING), OPENING], ids=["other", "clear"])
def test_G13_a_proof_that_is_bound_to_another_channel_is_refused(opening):
    outcome = converse(accept_ntlm, present_ntlm(CLIENT_BOUND), opening)
    assert outcome == NotSignedIn("bound to another TLS connection", USER)


def test_G13_the_strict_server_demands_what_stops_relaying():
    strict = replace(OPENING, strict=True)
    refused = {
        "no checksum, and one is demanded": accept(accept_ntlm(strict), [NEGOTIATE, answered()])[1],
        "no channel binding, and one is demanded": converse(
            accept_ntlm, present_ntlm(CLIENT_OPENING), replace(BOUND, strict=True)
        ),
        "meant for another service": converse(
            accept_ntlm, present_ntlm(replace(CLIENT_OPENING, host="files.example.com")), strict
        ),
    }
    assert refused == {cause: NotSignedIn(cause, USER) for cause in refused}


def test_the_checksum_goes_by_the_exchanged_key():
    first = ntlmwords.negotiate(WISHES | Flag.KEY_EXCHANGE | Flag.SIGN)
    second = accept_ntlm(replace(OPENING, initial=first)).send(None).data
    asked = ntlmwords.read_challenge(second)
    blob = blob_of(bytes(8), bytes(8), ntlmwords.written({**asked.pairs, Pair.FLAGS: b"\2\0\0\0"}))
    key = response_key(nt_hash(PASSWORD), USER, "")
    proof = proof_of(key, asked.challenge, blob)
    sealed = bytes(range(16))
    values = (b"", proof + blob, b"", USER.encode("utf-16-le"), b"", sealed)
    fields, payload = b"", b""
    for value in values:
        fields += struct.pack("<HHI", len(value), len(value), 88 + len(payload))
        payload += value
    last = b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", asked.flags) + bytes(24) + payload
    right = checksum(session_key(key, proof, sealed), first + second + last)
    assert accept(accept_ntlm(OPENING), [first, ntlmwords.with_checksum(last, right)])[1] == SignedIn(USER)
    assert isinstance(accept(accept_ntlm(OPENING), [first, last])[1], NotSignedIn)


@pytest.mark.parametrize(
    "first", [b"", b"NTLMSSP\0", NEGOTIATE[:15], b"x" + NEGOTIATE[1:], last_message(b"", b"", ("",) * 3)]
)
def test_first_messages_that_are_malformed(first):
    assert isinstance(accept(accept_ntlm(OPENING), [first])[1], Malformed)


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_last_message_that_is_cut_is_malformed(length):
    _, outcome = accept(accept_ntlm(OPENING), [NEGOTIATE, answered()[:length]])
    assert isinstance(outcome, Malformed)


def test_a_name_of_half_characters_is_malformed():
    last = ntlmwords.authenticate(WISHES, b"", bytes(60), (b"", b"\x00\xd8", b""))
    assert isinstance(accept(accept_ntlm(OPENING), [NEGOTIATE, last])[1], Malformed)


@pytest.mark.parametrize(
    "pairs",
    [b"", b"\1\0", b"\1\0\4\0ab", b"\1\0\1\0a\1\0\1\0b\0\0\0\0", b"\1\0\0\0"],
    ids=["empty", "half", "cut", "twice", "no end"],
)
def test_target_information_that_is_malformed(pairs):
    assert ntlmwords.read_pairs(pairs) is None
    assert read_response(bytes(16) + blob_of(bytes(8), bytes(8), b"")[:-4] + pairs) is None


@pytest.mark.parametrize(
    "second",
    [
        b"",
        NEGOTIATE,
        ntlmwords.challenge(Flag.OEM, CHALLENGE, b"", {}),
        ntlmwords.challenge(WISHES, CHALLENGE, b"", {99: b"x" * 5000}),
        ntlmwords.challenge(WISHES, CHALLENGE, b"", {})[:-4],
    ],
    ids=["empty", "negotiate", "OEM", "long", "no end"],
)
def test_the_client_leaves_a_server_without_a_challenge(second):
    client = present_ntlm(CLIENT_OPENING)
    client.send(None)
    with pytest.raises(StopIteration) as ended:
        client.send(second)
    assert isinstance(ended.value.value, Abandoned)


def test_the_client_answers_an_old_server_without_a_time():
    client = present_ntlm(CLIENT_OPENING)
    client.send(None)
    second = ntlmwords.challenge(WISHES, CHALLENGE, b"", {Pair.FLAGS: b"\1\0\0\0\0\0\0"})
    last = ntlmwords.read_authenticate(client.send(second).data)
    assert last.lm != bytes(24)
    assert read_response(last.nt).pairs[Pair.FLAGS] == b"\3\0\0\0"


def test_the_server_says_only_its_names_and_the_time():
    asked = ntlmwords.read_challenge(accept_ntlm(replace(OPENING, initial=NEGOTIATE)).send(None).data)
    short, full = "MAIL".encode("utf-16-le"), "mail.example.com".encode("utf-16-le")
    assert asked.pairs == {1: short, 2: short, 3: full, 4: full, 7: ntlmwords.filetime(NOW)}


def test_a_server_with_an_international_name_has_a_short_one_all_the_same():
    opening = replace(OPENING, initial=NEGOTIATE, names=("b\u00fccher.example",))
    asked = ntlmwords.read_challenge(accept_ntlm(opening).send(None).data)
    assert asked.pairs[Pair.COMPUTER] == "MAILROOT".encode("utf-16-le")


def test_a_time_is_counted_from_1601():
    assert int.from_bytes(ntlmwords.filetime(NOW), "little") == (11644473600 + int(NOW.timestamp())) * 10**7
