"""Samba's Active Directory controller of the tests' own: LDAP and Kerberos on a loopback address of its own.

Its ports are those of the standard, since clients of Active Directory know no others; nothing else has that address.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.authority import Authority
from tests.peers.directory import entry

# One for each run of the tests, so that two of them do not meet.
ADDRESS = f"127.88.{os.getpid() >> 8 & 0xFF}.{(os.getpid() & 0xFF) % 253 + 1}"
DOMAIN, SHORT = "ad.example.test", "ADTEST"
HOST, BASE = f"dc1.{DOMAIN}", "DC=ad,DC=example,DC=test"
PEOPLE = f"CN=Users,{BASE}"
USER, PASSWORD = "mailroot", "Passw0rd.2"
REALM = DOMAIN.upper()

_ADMIN = "Passw0rd.1"
_KERBEROS = """\
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = {address}
 }}
[domain_realm]
 .{domain} = {realm}
"""


def _user(name: str, **more: str | list[str]) -> str:
    from base64 import b64encode

    password = b64encode(f'"{PASSWORD}"'.encode("utf-16-le")).decode()
    control = more.pop("userAccountControl", "512")
    return (
        (
            f"dn: CN={name},{PEOPLE}\nobjectClass: user\nsAMAccountName: {name}\nunicodePwd:: {password}\n"
            f"userPrincipalName: {name}@{DOMAIN}\nuserAccountControl: {control}\n"
        )
        + "".join(f"{key}: {value}\n" for key, values in more.items() for value in _list(values))
        + "\n"
    )


def _list(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


def _group(name: str, *members: str) -> str:
    return entry(
        f"CN={name},{PEOPLE}",
        objectClass="group",
        sAMAccountName=name,
        mail=f"{name}@{DOMAIN}",
        member=[f"CN={member},{PEOPLE}" for member in members],
    )


_DATA = (
    _user(USER)
    + _user("ann", mail=f"ann@{DOMAIN}", proxyAddresses=[f"SMTP:ann@{DOMAIN}", f"smtp:a.smith@{DOMAIN}", "x500:/o=x"])
    + _user("bob", mail=f"bob@{DOMAIN}")
    + _user("old", mail=f"old@{DOMAIN}", userAccountControl="514")
    + entry(f"CN=partner,{PEOPLE}", objectClass="contact", mail="partner@far.test")
    + _group("inner", "bob", "old")
    + _group("staff", "ann", "inner", "partner")
)
_CHANGES = (
    f"dn: CN=inner,{PEOPLE}\nchangetype: modify\nadd: member\nmember: CN=staff,{PEOPLE}\n\n"
    f"dn: CN=DC1,OU=Domain Controllers,{BASE}\nchangetype: modify\nadd: servicePrincipalName\n"
    f"servicePrincipalName: ldap/{HOST}\n\n"
)


class DomainController:
    """A controller that runs. `authority` vouches for its certificate, which is for its name."""

    def __init__(self, program: Callable[[str], str]) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root may listen where a domain controller does")
        self.folder = Path(tempfile.mkdtemp(prefix="samba-ad-"))
        self._program = program
        self.authority = Authority(self.folder)
        certificate = self.authority.issue(HOST, ADDRESS)
        self._settings = self.folder / "etc" / "smb.conf"
        self.kerberos = self.folder / "krb5.conf"
        self.kerberos.write_text(_KERBEROS.format(realm=REALM, address=ADDRESS, domain=DOMAIN))
        options = {
            "interfaces": f"{ADDRESS}/8",
            "bind interfaces only": "yes",
            "log file": self.folder / "log",
            "pid directory": self.folder,
            "ncalrpc dir": self.folder / "ncalrpc",
            "server services": "ldap, kdc",
            "ldap server require strong auth": "allow_sasl_over_tls",
            "tls keyfile": certificate,
            "tls certfile": certificate,
            "tls cafile": self.authority.file,
        }
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "DomainController":
        """Make the domain, start, and fill it."""
        program = self._program
        self._provision()
        command = [program("samba"), f"--configfile={self._settings}", "-i", "--model=single"]
        command += [f"--option={name}={value}" for name, value in self._options.items()]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()
        self._fill()
        return self

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be of this realm."""
        return {"KRB5_CONFIG": str(self.kerberos), "KRB5CCNAME": f"FILE:{self.folder}/tickets"}

    def _provision(self) -> None:
        command = [
            self._program("samba-tool"), "domain", "provision", f"--realm={REALM}", f"--domain={SHORT}",
            "--server-role=dc", "--dns-backend=NONE", f"--adminpass={_ADMIN}", "--host-name=dc1",
            f"--host-ip={ADDRESS}", f"--targetdir={self.folder}", "--option=vfs objects=",
            f"--option=posix:eadb={self.folder}/private/eadb.tdb", f"--option=interfaces={ADDRESS}/8",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]

    def _wait(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                for port in (389, 636, 88):
                    socket.create_connection((ADDRESS, port), 1).close()
                return
            assert self._process is not None
            assert self._process.poll() is None, "samba has ended"
            time.sleep(0.1)
        raise AssertionError("the domain controller does not listen")

    def _fill(self) -> None:
        for words, ldif in ((["ldapadd"], _DATA), (["ldapmodify"], _CHANGES)):
            command = [self._program(words[0]), "-x", "-ZZ", "-H", f"ldap://{ADDRESS}"]
            command += ["-D", f"CN=Administrator,{PEOPLE}", "-w", _ADMIN]
            environment = {**os.environ, "LDAPTLS_CACERT": str(self.authority.file)}
            done = subprocess.run(
                command, input=ldif, text=True, capture_output=True, timeout=120, env=environment, check=False
            )
            assert done.returncode == 0, done.stderr

    def keytab(self) -> Path:
        """A keytab with the key of the service's account."""
        path = self.folder / "service.keytab"
        if not path.exists():
            salt = f"addent -password -p {USER}@{REALM} -k 1 -e aes256-cts-hmac-sha1-96\n{PASSWORD}\nwkt {path}\n"
            environment = {**os.environ, **self.environment}
            subprocess.run(
                [self._program("ktutil")],
                input=salt,
                text=True,
                check=True,
                capture_output=True,
                timeout=120,
                env=environment,
            )
        return path

    def remove(self) -> None:
        """End it for good."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(120)
        shutil.rmtree(self.folder, ignore_errors=True)
