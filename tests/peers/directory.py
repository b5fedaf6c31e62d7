"""A directory of the tests' own: OpenLDAP's slapd on loopback, with the attributes of Active Directory (msuser.schema).

Its data is loaded by slapadd, which takes 100,000 people in seconds.
"""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.live.running import PATIENCE, free_port

BASE = "dc=example,dc=test"
PEOPLE = f"ou=people,{BASE}"
ADMIN, PASSWORD = f"cn=admin,{BASE}", "correct horse"

_SCHEMAS = Path("/etc/ldap/schema")
_SETTINGS = """\
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {schemas}/nis.schema
include {folder}/msuser.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
threads 2
sizelimit unlimited
{more}
database mdb
maxsize 1073741824
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
directory {folder}/data
dbnosync
index objectClass,mail,uid,proxyAddresses,sAMAccountName,userPrincipalName eq
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""
# Debian's file leaves out how these are compared; and Exchange's attributes are not in it.
_COMPARED = ("proxyAddresses", "sAMAccountName", "userPrincipalName")
_EXCHANGE = """
attributetype ( MSAD:4.7000.102.11 NAME 'targetAddress' EQUALITY caseIgnoreMatch
 SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )
attributetype ( MSAD:4.7000.102.12 NAME 'altRecipient' EQUALITY distinguishedNameMatch
 SYNTAX '1.3.6.1.4.1.1466.115.121.1.12' SINGLE-VALUE )
attributetype ( MSAD:4.7000.102.13 NAME 'deliverAndRedirect' EQUALITY booleanMatch
 SYNTAX '1.3.6.1.4.1.1466.115.121.1.7' SINGLE-VALUE )
objectclass ( MSAD:5.7000.62.1 NAME 'mailRecipient' AUXILIARY
 MAY ( targetAddress $ altRecipient $ deliverAndRedirect $ userPassword $ sAMAccountName $ objectSid ) )
"""


def _schema() -> str:
    text = (_SCHEMAS / "msuser.schema").read_text()
    for name in _COMPARED:
        text, count = re.subn(rf"(NAME '{name}'\n)(?!\s*EQUALITY)", r"\1\tEQUALITY caseIgnoreMatch\n", text)
        assert count == 1, name
    return text + _EXCHANGE


def entry(dn: str, **attributes: str | Iterable[str]) -> str:
    """An entry in LDIF."""
    lines = [f"dn: {dn}"]
    for name, values in attributes.items():
        lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


def person(name: str, mail: str = "", **more: str | Iterable[str]) -> str:
    """A user of Active Directory, without a mail address where none is given."""
    given = {"mail": mail} if mail else {}
    return entry(
        f"cn={name},{PEOPLE}",
        objectClass=["user", "mailRecipient"],
        cn=name,
        sn=name,
        instanceType="4",
        nTSecurityDescriptor="none",
        objectCategory=f"cn=person,{BASE}",
        sAMAccountName=name,
        **given,
        **more,
    )


def group(name: str, mail: str, members: Iterable[str]) -> str:
    """A group; `members` are common names of people or groups."""
    return entry(
        f"cn={name},{PEOPLE}",
        objectClass="group",
        cn=name,
        instanceType="4",
        nTSecurityDescriptor="none",
        objectCategory=f"cn=group,{BASE}",
        groupType="2",
        mail=mail,
        member=[f"cn={member},{PEOPLE}" for member in members],
    )


TOP = entry(BASE, objectClass=["dcObject", "organization"], dc="example", o="Example") + entry(
    PEOPLE, objectClass="organizationalUnit", ou="people"
)


class Slapd:
    """slapd with its data, not started yet. `certificate` is a PEM file with its key."""

    def __init__(
        self, program: Callable[[str], str], ldif: str, certificate: Path | None = None, more: str = ""
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slapd-"))
        self._program, self._slapd = program, program("slapd")
        self.port, self.tls_port = free_port(), free_port()
        self._tls = certificate is not None
        if certificate is not None:
            more += f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {certificate}\n"
        (self.folder / "data").mkdir()
        (self.folder / "msuser.schema").write_text(_schema())
        self._settings = self.folder / "slapd.conf"
        self._settings.write_text(
            _SETTINGS.format(schemas=_SCHEMAS, folder=self.folder, base=BASE, admin=ADMIN, password=PASSWORD, more=more)
        )
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._load(TOP + ldif)
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def _load(self, ldif: str) -> None:
        file = self.folder / "data.ldif"
        file.write_text(ldif)
        command = [self._slapd, "-Tadd", "-q", "-s", "-f", str(self._settings), "-l", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        file.unlink()

    def start(self) -> "Slapd":
        """Start, on the same ports each time."""
        urls = f"{self.url}/" + (f" ldaps://127.0.0.1:{self.tls_port}/" if self._tls else "")
        command = [self._slapd, "-d", "0", "-h", urls, "-f", str(self._settings)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self._process.poll() is None, f"slapd ended with {self._process.returncode}"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), PATIENCE).close()
                return self
            time.sleep(0.02)
        raise AssertionError("slapd does not listen")

    def add(self, ldif: str) -> None:
        """Add entries while it runs."""
        command = [self._program("ldapadd"), "-x", "-H", self.url, "-D", ADMIN, "-w", PASSWORD]
        subprocess.run(command, input=ldif, text=True, check=True, capture_output=True, timeout=120)

    def stop(self) -> None:
        """End it; its data stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(120)
            self._process = None

    def remove(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def slapd(program: Callable[[str], str], ldif: str, certificate: Path | None = None, more: str = "") -> Iterator[Slapd]:
    """A directory that runs while the block does."""
    made = Slapd(program, ldif, certificate, more)
    try:
        yield made.start()
    finally:
        made.remove()


def trusting(authority: Path) -> ssl.SSLContext:
    """A client's context that believes this authority alone."""
    return ssl.create_default_context(cafile=str(authority))
