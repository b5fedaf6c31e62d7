"""Certificates with their keys: read, looked at, made. Keys leave this module only as octets that no `repr` shows."""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from mailroot.edge.files.durable import sync_folder, translated
from mailroot.edge.files.keeper import give_to_keeper
from mailroot.edge.tls.binding import end_point_binding
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.wire.sasl.words import ChannelBinding

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

_LARGEST = 1024 * 1024
_VALID = timedelta(days=3650)  # nobody checks a certificate that signed itself; a short life would only break things
_EARLIER = timedelta(days=1)  # the clocks of clients differ


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its chain, and its key: both PEM.

    `names` are the hosts that it stands for, `issuer` who signed it. `binding` ties exchanges to it, None where its
    signature defines none.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    names: tuple[str, ...]
    issuer: str
    expires: datetime
    binding: ChannelBinding | None = field(repr=False)


def read_identity(certificate: str, key: str = "") -> Identity:
    """A certificate and its key from files; without `key` both are in one. Raises `Misconfigured`, with the mend."""
    pem = octets_of(certificate)
    certificates_in(pem, certificate)  # what is no certificate needs no advice about its key
    if not key and b"PRIVATE KEY" not in pem:
        mend = (
            f"name its file in `key`, or put both together: ./mailroot certificate import NAME {certificate} --key FILE"
        )
        raise Misconfigured(f"{certificate}: the certificate's key is not in it; {mend}")
    key_file = key or certificate
    private = octets_of(key_file, secret=True)
    return identity_of(pem, private, certificate, key_file)


def identity_of(pem: bytes, private: bytes, certificate: str = "", key: str = "") -> Identity:
    """The identity that these octets are; the names of their files are for people. Raises `Misconfigured`."""
    chain = certificates_in(pem, certificate)
    ours = _key(private, key)
    try:  # a certificate is read piece by piece
        first = chain[0]
        if _public(ours.public_key()) == _public(first.public_key()):
            return Identity(
                certificate=b"".join(one.public_bytes(Encoding.PEM) for one in chain),  # the file may hold the key too
                key=key_pem(ours),  # a file may hold more: certificates in it would be sent twice
                names=names_of(first),
                issuer=first.issuer.rfc4514_string(),
                expires=first.not_valid_after_utc,
                binding=end_point_binding(first.public_bytes(Encoding.DER)),
            )
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise Misconfigured(f"{certificate}: a certificate that cannot be used: {fault}; have it made anew") from fault
    raise Misconfigured(f"{key}: the key does not belong to the certificate in {certificate}; name the right one")


def certificates_in(pem: bytes, path: str) -> list[x509.Certificate]:
    """The certificates of a PEM file, the server's own first. Raises `Misconfigured`."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise Misconfigured(f"{path}: no certificate in PEM form; the file has to begin a block CERTIFICATE") from fault


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts that a certificate stands for."""
    with contextlib.suppress(x509.ExtensionNotFound, ValueError):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return tuple(found.value.get_values_for_type(x509.DNSName))
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(str(name.value) for name in common[:1])


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def _key(pem: bytes, path: str) -> Key:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError as fault:
        mend = (
            "write it without a passphrase, in a file that only the service may read: openssl pkey -in FILE -out FILE"
        )
        raise Misconfigured(f"{path}: the key is encrypted; {mend}") from fault
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise Misconfigured(f"{path}: no private key in PEM form; name the file that has it") from fault
    if not isinstance(key, Key):
        raise Misconfigured(f"{path}: a key of a kind that TLS does not use; make an ECDSA or RSA key")
    return key


def octets_of(path: str, secret: bool = False) -> bytes:
    """What a PEM file holds; with `secret`, only if not everybody may read it. Raises `Misconfigured`."""
    try:
        with Path(path).open("rb") as file:
            if secret and os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise Misconfigured(f"{path}: everybody may read the private key; chmod o-r the file")
            return file.read(_LARGEST)
    except OSError as fault:
        raise Misconfigured(f"{path}: {fault.strerror}; name a file that the service may read") from fault


# -- making


def new_key() -> Key:
    """A new key: ECDSA P-256, which every client of the last ten years knows and which is cheap to use."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """The key as a file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_in(pem: bytes, path: str) -> Key:
    """The key of a PEM file. Raises `Misconfigured`."""
    return _key(pem, path)


def self_signed(key: Key, names: tuple[str, ...], now: datetime) -> bytes:
    """A certificate for these names that its own key signed, PEM."""
    subject = _subject(names)
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _EARLIER,
        not_valid_after=now + _VALID,
    )
    builder = builder.add_extension(_alternatives(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def signing_request(key: Key, names: tuple[str, ...]) -> bytes:
    """A request for a certificate of these names, PEM (PKCS #10)."""
    builder = x509.CertificateSigningRequestBuilder(_subject(names))
    return (
        builder.add_extension(_alternatives(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def _subject(names: tuple[str, ...]) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])  # RFC 5280 appendix A: at most 64


def _alternatives(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def own_identity(folders: tuple[Path, ...], name: str, host: str) -> Identity:
    """The certificate that a server without one makes for itself, at its first start, and finds again later.

    It is kept in the first of the folders where that is possible, in a file that only its owner may read; one for
    another host, or one that has expired, is replaced. Where nothing can be kept it lasts as long as the service.
    """
    now = datetime.now(UTC)
    for folder in folders:
        path = folder / f"{name}.pem"
        with contextlib.suppress(Misconfigured):
            found = read_identity(str(path))
            if host in found.names and found.expires > now:
                return found
    key = new_key()
    pem, private = self_signed(key, (host,), now), key_pem(key)
    for folder in folders:
        with contextlib.suppress(OSError, Fault):
            folder.mkdir(mode=0o700, exist_ok=True)
            keep_private(folder / f"{name}.pem", private + pem)
            break
    return identity_of(pem, private)


def keep_private(path: Path, octets: bytes, *, by_hand: bool = False) -> None:
    """Put octets into a file that only its owner may read; whole, or not at all.

    What root makes `by_hand` belongs to the account of the folder, which runs the service.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with _removed_on_failure(draft), translated(f"writing {path}"):
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            if by_hand:
                give_to_keeper(file.fileno(), path.parent)
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
