"""An authority of the tests' own: it issues certificates of every kind, good and bad, and keeps them in a folder."""

import datetime
import ipaddress
import itertools
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
_NUMBER = itertools.count()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """`file` is its own certificate, for those who are to believe it."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._certificate = self._signed(self._name, self._key.public_key(), (), -DAY, 30 * DAY, own=True)
        self.file = folder / f"authority{next(_NUMBER)}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(self, subject, key, names, begins, ends, own=False):  # type: ignore[no-untyped-def]
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(own, None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(name) for name in names]), False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, *names: str, begins: datetime.timedelta = -DAY, ends: datetime.timedelta = 10 * DAY) -> Path:
        """A PEM file with key and certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(names[0] if names else "nameless.example")
        certificate = self._signed(subject, key.public_key(), names, begins, ends)
        path = self._folder / f"certificate{next(_NUMBER)}.pem"
        form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, form, no_password)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        path.chmod(0o600)
        return path

    def serving(self, *names: str, **term: datetime.timedelta) -> ssl.SSLContext:
        """A server's context with such a certificate."""
        return serving(self.issue(*names, **term))


def serving(file: Path) -> ssl.SSLContext:
    """A server's context with the key and the certificate of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def self_signed(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate that nobody else vouches for."""
    own = Authority(folder, name)
    own._certificate = own._signed(own._name, own._key.public_key(), (name,), -DAY, 10 * DAY)
    path = folder / f"self{next(_NUMBER)}.pem"
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        own._key.private_bytes(serialization.Encoding.PEM, form, no_password)
        + own._certificate.public_bytes(serialization.Encoding.PEM)
    )
    return serving(path)
