"""The folder of certificates that Mailroot makes or is given, and what the settings name of them.

A name has up to three files: `NAME.key`, whose certificate somebody was asked for; `NAME.csr`, what was asked; and
`NAME.pem`, certificate and key together, which is what settings name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.edge.files.keeper import make_folder
from mailroot.edge.tls.identity import (
    Identity,
    identity_of,
    keep_private,
    key_in,
    key_pem,
    new_key,
    octets_of,
    read_identity,
    self_signed,
    signing_request,
)
from mailroot.mail.faults import Misconfigured
from mailroot.settings.declared import key_text
from mailroot.settings.problem import Problem
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text
from mailroot.settings.virtualserver import TlsOffer

FOLDER = "Certificates"
"""Beside the settings file, or else in the home of a server."""


@dataclass(frozen=True, slots=True)
class Named:
    """A certificate that the settings name. `asked` is the name that clients ask for, "" for all others."""

    server: str
    asked: str
    certificate: str
    key: str

    @property
    def path(self) -> str:
        """The dotted key of the option."""
        above = ("names", self.asked) if self.asked else ()
        return key_text(("servers", self.server, "access", *above, "certificate"))


def named_in(settings: Settings) -> Iterator[Named]:
    """Every certificate that is presented to clients; one that a server makes itself is there once it was started."""
    for key, server in settings.servers.items():
        access = server.access
        if access.tls is TlsOffer.OFF:
            continue
        own = next((path for path in _own_files(settings, key) if path.exists()), None)
        if access.certificate or own is not None:
            yield Named(key, "", access.certificate or str(own), access.key)
        for name, holder in access.names.items():
            yield Named(key, name, holder.certificate, holder.key)


def own_folders(settings: Settings, server: str) -> tuple[Path, Path]:
    """Where a server keeps the certificate that it makes for itself: the first that it can write to."""
    return Path(settings.folder, FOLDER), Path(settings.servers[server].home, FOLDER)


def _own_files(settings: Settings, server: str) -> tuple[Path, ...]:
    return tuple(folder / f"{server}.pem" for folder in own_folders(settings, server))


def problems_in(settings: Settings) -> Iterator[Problem]:
    """A problem for every certificate that cannot be used as it is."""
    for named in named_in(settings):
        try:
            found = read_identity(named.certificate, named.key)
        except Misconfigured as fault:
            yield Problem(named.path, toml_text(named.certificate), str(fault))
        else:
            if found.expires < datetime.now(UTC):
                ended = f"it expired on {found.expires:%Y-%m-%d}"
                yield Problem(named.path, toml_text(named.certificate), ended, "./mailroot certificate request NAME")


def make(folder: Path, names: tuple[str, ...]) -> Path:
    """A new certificate that signed itself, with its key, in one file. Raises `Fault`; overwrites nothing."""
    path = _free(folder / f"{_stem(names)}.pem")
    key = new_key()
    keep_private(path, key_pem(key) + self_signed(key, names, datetime.now(UTC)), by_hand=True)
    return path


def request(folder: Path, names: tuple[str, ...]) -> Path:
    """A new key, and a request for a certificate of it. Raises `Fault`; overwrites nothing."""
    path, key_file = _free(folder / f"{_stem(names)}.csr"), _free(folder / f"{_stem(names)}.key")
    key = new_key()
    keep_private(key_file, key_pem(key), by_hand=True)
    keep_private(path, signing_request(key, names), by_hand=True)
    return path


def take(folder: Path, name: str, certificate: Path, key: Path | None) -> tuple[Path, Identity]:
    """Put a certificate that was issued, and the key that it was asked for with, into one file. Raises `Fault`.

    An older one of that name is replaced: this is how it is renewed.
    """
    key_file = key or folder / f"{name}.key"
    pem = octets_of(str(certificate))
    ours = key_in(octets_of(str(key_file), secret=True), str(key_file))
    identity = identity_of(pem, key_pem(ours), str(certificate), str(key_file))
    with translated(f"making the folder {folder}"):
        make_folder(folder, 0o700)
    path = folder / f"{name}.pem"
    keep_private(path, identity.key + identity.certificate, by_hand=True)
    return path, identity


def _stem(names: tuple[str, ...]) -> str:
    return names[0].replace("*", "_")


def _free(path: Path) -> Path:
    if path.exists():
        raise Misconfigured(f"{path} is there already; move it away first, or name another host")
    with translated(f"making the folder {path.parent}"):
        make_folder(path.parent, 0o700)
    return path
