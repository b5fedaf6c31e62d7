"""MD4, MD5 from a state on, and RC4: what NTLM and CRAM-MD5 are made of and libraries of today no longer have.

They are broken as hashes and ciphers, and serve here only because those protocols are written in them.
"""

import math
import struct
from collections.abc import Callable

_WORD = 0xFFFFFFFF
_START = struct.pack("<4I", 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
BLOCK = 64

_Mix = Callable[[int, int, int], int]


def _choice(x: int, y: int, z: int) -> int:
    return (x & y) | (~x & z)


def _majority(x: int, y: int, z: int) -> int:
    return (x & y) | (x & z) | (y & z)


def _parity(x: int, y: int, z: int) -> int:
    return x ^ y ^ z


def _second(x: int, y: int, z: int) -> int:
    return (x & z) | (y & ~z)


def _fourth(x: int, y: int, z: int) -> int:
    return y ^ (x | (~z & _WORD))


# RFC 1320 section 3.4: function, constant, order of the words, shifts.
_MD4_ROUNDS: tuple[tuple[_Mix, int, tuple[int, ...], tuple[int, ...]], ...] = (
    (_choice, 0, tuple(range(16)), (3, 7, 11, 19)),
    (_majority, 0x5A827999, (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13)),
    (_parity, 0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)

# RFC 1321 section 3.4: function, step and start of the order of the words, shifts; the constants are those of a sine.
_MD5_ROUNDS: tuple[tuple[_Mix, int, int, tuple[int, ...]], ...] = (
    (_choice, 1, 0, (7, 12, 17, 22)),
    (_second, 5, 1, (5, 9, 14, 20)),
    (_parity, 3, 5, (4, 11, 16, 23)),
    (_fourth, 7, 0, (6, 10, 15, 21)),
)
_SINES = tuple(int(abs(math.sin(number + 1)) * (1 << 32)) for number in range(64))


def md4(message: bytes) -> bytes:
    """The MD4 digest of a message (RFC 1320)."""
    state = _START
    padded = message + _padding(len(message))
    for at in range(0, len(padded), BLOCK):
        state = _added(state, _md4_block(state, padded[at : at + BLOCK]))
    return state


def md5_state(block: bytes) -> bytes:
    """The state of MD5 after one whole block: enough to go on, too little to find the block."""
    return _added(_START, _md5_block(_START, block))


def md5_from(state: bytes, message: bytes) -> bytes:
    """The MD5 digest of the block that led to the state, followed by the message."""
    padded = message + _padding(BLOCK + len(message))
    for at in range(0, len(padded), BLOCK):
        state = _added(state, _md5_block(state, padded[at : at + BLOCK]))
    return state


def _padding(length: int) -> bytes:
    return b"\x80" + bytes((55 - length) % BLOCK) + struct.pack("<Q", length * 8)


def _added(one: bytes, other: tuple[int, int, int, int]) -> bytes:
    return struct.pack("<4I", *((a + b) & _WORD for a, b in zip(struct.unpack("<4I", one), other, strict=True)))


def _rotated(value: int, by: int) -> int:
    value &= _WORD
    return (value << by | value >> (32 - by)) & _WORD


def _md4_block(state: bytes, block: bytes) -> tuple[int, int, int, int]:
    words = struct.unpack("<16I", block)
    a, b, c, d = struct.unpack("<4I", state)
    for mix, constant, order, shifts in _MD4_ROUNDS:
        for step, place in enumerate(order):
            total = a + mix(b, c, d) + words[place] + constant
            a, b, c, d = d, _rotated(total, shifts[step % 4]), b, c
    return a, b, c, d


def _md5_block(state: bytes, block: bytes) -> tuple[int, int, int, int]:
    words = struct.unpack("<16I", block)
    a, b, c, d = struct.unpack("<4I", state)
    for turn, (mix, stride, start, shifts) in enumerate(_MD5_ROUNDS):
        for step in range(16):
            total = a + mix(b, c, d) + words[(start + stride * step) % 16] + _SINES[turn * 16 + step]
            a, b, c, d = d, (b + _rotated(total, shifts[step % 4])) & _WORD, b, c
    return a, b, c, d


def rc4(key: bytes, octets: bytes) -> bytes:
    """The octets under an RC4 key; the same again undoes it."""
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) & 0xFF
        box[i], box[j] = box[j], box[i]
    i = j = 0
    mixed = bytearray()
    for octet in octets:
        i = (i + 1) & 0xFF
        j = (j + box[i]) & 0xFF
        box[i], box[j] = box[j], box[i]
        mixed.append(octet ^ box[(box[i] + box[j]) & 0xFF])
    return bytes(mixed)
