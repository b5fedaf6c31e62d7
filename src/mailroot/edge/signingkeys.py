"""Private keys of DKIM: made, read, and what DNS says of them (RFC 6376 section 3.6.1, RFC 8463 section 3)."""

import base64
import functools
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mailroot.mail.faults import Misconfigured
from mailroot.settings.declared import key_text
from mailroot.settings.dkimchecks import keys_in
from mailroot.settings.problem import Problem
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text

ALGORITHMS = ("rsa", "ed25519")
_RSA_BITS = 2048
# RFC 8301 section 3.2: signers use at least 1024 bits, and should use 2048.
_FEWEST_BITS = 1024
# RFC 1035 section 3.3: a string of a TXT record.
_STRING = 255

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class ReadKey:
    """A key that was read, once: OpenSSL looks closely at it.

    `algorithm` as signatures name it, `record` is the text of its TXT record.
    """

    algorithm: str
    sign: Callable[[bytes], bytes]
    record: str


def make(algorithm: str) -> bytes:
    """A new private key, PEM."""
    key: PrivateKey
    if algorithm == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@functools.lru_cache(maxsize=4096)
def read(pem: str) -> ReadKey:
    """A private key at work. Raises `Misconfigured` with a clause that says what is wrong; never with the key."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise Misconfigured("no private key without a password in PEM") from fault
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return ReadKey("ed25519-sha256", _by_ed25519(key), _record("ed25519", raw))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Misconfigured("a key of a kind that DKIM does not know; RSA or Ed25519 is wanted")
    if key.key_size < _FEWEST_BITS:
        raise Misconfigured(f"a key of {key.key_size} bits, which nobody believes; {_RSA_BITS} are wanted")
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return ReadKey("rsa-sha256", _by_rsa(key), _record("rsa", public))


def _by_rsa(key: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    scheme, digest = padding.PKCS1v15(), SHA256()
    return lambda octets: key.sign(octets, scheme, digest)


def _by_ed25519(key: ed25519.Ed25519PrivateKey) -> Callable[[bytes], bytes]:
    """RFC 8463 section 3: what is signed is the hash of the octets."""
    return lambda octets: key.sign(hashlib.sha256(octets).digest())


def _record(kind: str, public: bytes) -> str:
    return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"


def zone_line(domain: str, selector: str, record: str) -> str:
    """The record as a line of a zone file; a long text is several strings of it."""
    strings = " ".join(f'"{record[at : at + _STRING]}"' for at in range(0, len(record), _STRING))
    return f"{selector}._domainkey.{domain}. IN TXT ( {strings} )"


def problems_in(settings: Settings) -> Iterator[Problem]:
    """A problem for every key that cannot be used; mail goes without its signature."""
    for server, name, selector, key in keys_in(settings):
        try:
            read(key.key)
        except Misconfigured as fault:
            path = key_text(("servers", server, "domains", name, "dkim", selector, "key_file"))
            yield Problem(path, toml_text(key.key_file), str(fault), f"./mailroot dkim new {name}")
