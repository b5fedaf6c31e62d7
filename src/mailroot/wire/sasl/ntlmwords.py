"""The three messages of NTLM (MS-NLMP section 2.2.1) as octets and as values.

Not responsible for what is proved by them. A message that cannot be read is None, whatever is in it.
"""

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

_SIGNATURE = b"NTLMSSP\0"
# A version is "for debugging only" (section 2.2.2.10), but where it stands the checksum stands behind it.
_VERSION = b"\0\0\0\0\0\0\0\x0f"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

_FLAGS_END = 64
_CHECKSUM_AT, _CHECKSUM_END = 72, 88


class Flag(enum.IntFlag):
    """NegotiateFlags (section 2.2.2.5), those that we know."""

    UNICODE = 0x1
    OEM = 0x2
    REQUEST_TARGET = 0x4
    SIGN = 0x10
    SEAL = 0x20
    NTLM = 0x200
    ALWAYS_SIGN = 0x8000
    TARGET_TYPE_SERVER = 0x20000
    EXTENDED_SESSION_SECURITY = 0x80000
    TARGET_INFO = 0x800000
    VERSION = 0x2000000
    KEY_128 = 0x20000000
    KEY_EXCHANGE = 0x40000000
    KEY_56 = 0x80000000


class Pair(enum.IntEnum):
    """AvId of an AV_PAIR (section 2.2.2.1)."""

    END = 0
    COMPUTER = 1
    DOMAIN = 2
    DNS_COMPUTER = 3
    DNS_DOMAIN = 4
    FLAGS = 6
    TIMESTAMP = 7
    TARGET = 9
    CHANNEL_BINDINGS = 10


# A bit of Pair.FLAGS: the last message has a checksum over all three.
CHECKSUM_PRESENT = 0x2

Pairs = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Challenged:
    """The server's message: its flags, its 8 octets of challenge, and what it says about itself, as it stands there."""

    flags: Flag
    challenge: bytes
    target_info: bytes
    pairs: Pairs


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The client's last message.

    `flags` are 0 where it has none. `checksum` is None where it has no room for one; `unsigned` is the message with
    zeros in its place.
    """

    lm: bytes = field(repr=False)
    nt: bytes = field(repr=False)
    domain: bytes
    user: bytes
    session_key: bytes = field(repr=False)
    flags: Flag
    checksum: bytes | None = field(repr=False)
    unsigned: bytes = field(repr=False)


def negotiate(flags: Flag) -> bytes:
    """The client's first message, without names."""
    return _SIGNATURE + struct.pack("<II", 1, flags) + bytes(16) + _VERSION


def read_negotiate(message: bytes) -> Flag | None:
    """The flags of the client's first message."""
    if len(message) < 16 or not _is(message, 1):
        return None
    return Flag(struct.unpack_from("<I", message, 12)[0])


def challenge(flags: Flag, nonce: bytes, target: bytes, pairs: Pairs) -> bytes:
    """The server's message."""
    target_info = written(pairs)
    at = 56
    return b"".join(
        (
            _SIGNATURE + struct.pack("<I", 2),
            struct.pack("<HHI", len(target), len(target), at),
            struct.pack("<I", flags) + nonce + bytes(8),
            struct.pack("<HHI", len(target_info), len(target_info), at + len(target)),
            _VERSION + target + target_info,
        )
    )


def read_challenge(message: bytes) -> Challenged | None:
    """The server's message; without target information NTLMv2 has nothing to stand on, and it counts as unreadable."""
    if len(message) < 48 or not _is(message, 2):
        return None
    target_info = _payload(message, 40)
    pairs = None if target_info is None else read_pairs(target_info)
    if target_info is None or pairs is None:
        return None
    return Challenged(Flag(struct.unpack_from("<I", message, 20)[0]), message[24:32], target_info, pairs)


def authenticate(flags: Flag, lm: bytes, nt: bytes, names: tuple[bytes, bytes, bytes]) -> bytes:
    """The client's last message with zeros for a checksum. Names are domain, user, workstation."""
    fields: list[bytes] = []
    payload = b""
    for value in (lm, nt, *names, b""):
        fields.append(struct.pack("<HHI", len(value), len(value), _CHECKSUM_END + len(payload)))
        payload += value
    head = _SIGNATURE + struct.pack("<I", 3) + b"".join(fields) + struct.pack("<I", flags) + _VERSION
    return head + bytes(_CHECKSUM_END - _CHECKSUM_AT) + payload


def with_checksum(message: bytes, checksum: bytes) -> bytes:
    """The client's last message with 16 octets in the checksum's place."""
    return message[:_CHECKSUM_AT] + checksum + message[_CHECKSUM_END:]


def read_authenticate(message: bytes) -> Authenticate | None:
    """The client's last message. What stands before the first of its values tells how long its head is."""
    if len(message) < 52 or not _is(message, 3):
        return None
    head = _head_length(message)
    values = [_payload(message, at) for at in (12, 20, 28, 36)]
    session_key = _payload(message, 52) if head >= _FLAGS_END else b""
    if any(value is None for value in values) or session_key is None:
        return None
    lm, nt, domain, user = (value or b"" for value in values)
    flags = struct.unpack_from("<I", message, 60)[0] if head >= _FLAGS_END else 0
    summed = head >= _CHECKSUM_END
    checksum = message[_CHECKSUM_AT:_CHECKSUM_END] if summed else None
    unsigned = with_checksum(message, bytes(16)) if summed else message
    return Authenticate(lm, nt, domain, user, session_key, Flag(flags), checksum, unsigned)


def is_null_session(message: bytes) -> bool:
    """Whether this is a last message that signs nobody in (section 3.2.5.1.2): no name, or no response.

    Windows 2000's SMTP service took it for a success (MS02-011). One that cannot be read counts too: others may read in
    it what we do not.
    """
    if len(message) < 12 or not _is(message, 3):
        return False
    last = read_authenticate(message)
    return last is None or not last.user or not last.nt


def claimed_name(token: bytes) -> str:
    """Who the client says it is, "DOMAIN\\user" or "user", before anybody has verified it; "" for any other token.

    For counts and logs only: zeros are left out, so that it is the same name however its octets are read, and what is
    no UTF-16 is read as single octets, whatever the flags say.
    """
    last = read_authenticate(token)
    if last is None:
        return ""
    flags = last.flags or Flag.UNICODE
    names = (text(octets, flags) or octets.decode("latin-1") for octets in (last.domain, last.user))
    domain, user = (name.replace("\0", "") for name in names)
    return f"{domain}\\{user}" if domain else user


def _head_length(message: bytes) -> int:
    starts = [len(message)]
    for at in (12, 20, 28, 36, 44):
        length, _, start = struct.unpack_from("<HHI", message, at)
        if length:
            starts.append(start)
    return min(starts)


def _is(message: bytes, kind: int) -> bool:
    return message.startswith(_SIGNATURE) and struct.unpack_from("<I", message, 8)[0] == kind


def _payload(message: bytes, at: int) -> bytes | None:
    """What the field at this place points to."""
    length, _, start = struct.unpack_from("<HHI", message, at)
    value = message[start : start + length]
    return value if len(value) == length else None


def written(pairs: Pairs) -> bytes:
    """AV_PAIRs with their end."""
    listed = (struct.pack("<HH", kind, len(value)) + value for kind, value in pairs.items())
    return b"".join(listed) + struct.pack("<HH", Pair.END, 0)


def read_pairs(octets: bytes) -> Pairs | None:
    """AV_PAIRs up to their end; None if there is no end, or one comes twice."""
    pairs: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        kind, length = struct.unpack_from("<HH", octets, at)
        at += 4
        if kind == Pair.END:
            return pairs
        if kind in pairs or at + length > len(octets):
            return None
        pairs[kind] = octets[at : at + length]
        at += length
    return None


def filetime(now: datetime) -> bytes:
    """A time as Windows counts it: in 100 ns since 1601."""
    since = now - _EPOCH
    ticks = (since.days * 86_400 + since.seconds) * 10_000_000 + since.microseconds * 10
    return struct.pack("<Q", ticks)


def text(octets: bytes, flags: Flag) -> str | None:
    """A name as the flags have it; None if it is none."""
    try:
        return octets.decode("utf-16-le" if flags & Flag.UNICODE else "latin-1")
    except UnicodeDecodeError:
        return None
