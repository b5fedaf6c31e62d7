"""Mail servers that others wrote, each in a root folder of its own: Exim, OpenSMTPD, and Postfix beside them.

Exim and OpenSMTPD are unpacked, not installed (tools/unpack-debian), and run in a chroot with accounts of its own.
"""

import os
import shutil
import signal
import smtplib
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

from bench.servers import Door, Postfix
from tests.live.running import ROOT, free_port, until

UNPACKED = ROOT / ".peers"
ACCOUNTS = "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/people/user:/bin/sh\n"
GROUPS = "root:x:0:\nuser:x:1000:\n"

EXIM = """\
primary_hostname = exim.example
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
deliver_drop_privilege = true
host_lookup =
rfc1413_query_timeout = 0s
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = /etc/certificate.pem
message_size_limit = 100M
acl_smtp_rcpt = accept
acl_smtp_data = accept
keep_environment =
begin routers
local:
  driver = accept
  domains = drop.example
  local_parts = ! nobody
  transport = drop
refused:
  driver = redirect
  domains = drop.example
  allow_fail
  data = :fail: nobody by that name
out:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = out
begin transports
drop:
  driver = appendfile
  directory = /mail
  maildir_format
  user = Debian-exim
out:
  driver = smtp
  port = {relay_port}
  allow_localhost
  hosts_try_chunking = *
begin retry
* * F,1h,1s
"""
OPENSMTPD = """\
pki opensmtpd.example cert "/etc/certificate.pem"
pki opensmtpd.example key "/etc/key.pem"
smtp max-message-size 100M
listen on 127.0.0.1 port {port} hostname opensmtpd.example tls pki opensmtpd.example
action "drop" maildir "/people/user/Maildir"
action "out" relay host smtp://127.0.0.1:{relay_port} helo opensmtpd.example
match from any for domain "drop.example" action "drop"
match from any for any action "out"
"""


class MailServer(ABC):
    """A server that keeps mail for user@drop.example and relays the rest to `relay_port`.

    `extensions` are those that it has, and that work.
    """

    extensions: frozenset[str]
    port: int

    @abstractmethod
    def start(self) -> None:
        """Start it; returns once it greets."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    @abstractmethod
    def kept(self) -> list[bytes]:
        """The messages that it keeps, lines ended by LF."""


class OfPostfix(MailServer):
    """Debian's Postfix."""

    extensions = frozenset({"STARTTLS", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"})

    def __init__(self, folder: Path, relay_port: int, certificate: Path) -> None:
        self._server = Postfix(folder, relay_port, Door(certificate))
        self.port = self._server.port
        with (self._server.config / "main.cf").open("a") as file:
            file.write("smtp_tls_security_level = may\n")

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.close()

    def kept(self) -> list[bytes]:
        return _read(self._server.drop())


class Jailed(MailServer):
    """A server in a chroot."""

    package: str
    programs: tuple[str, ...]
    account: str

    def __init__(self, folder: Path, relay_port: int, certificate: Path) -> None:
        self.folder, self.relay_port, self.port = folder, relay_port, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for name in "dev etc people/user run tmp var/log var/spool var/lib usr/sbin usr/libexec root bin".split():
            (folder / name).mkdir(parents=True)
        (folder / "var/run").symlink_to("../run")
        (folder / "tmp").chmod(0o1777)
        os.chown(folder / "people/user", 1000, 1000)
        for name, number in (("null", 3), ("urandom", 9)):
            os.mknod(folder / "dev" / name, 0o20666, os.makedev(1, number))
            (folder / "dev" / name).chmod(0o666)
        (folder / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        (folder / "etc/hosts").write_text(f"127.0.0.1 localhost {self.account}\n")
        for program in self.programs:
            _copy(UNPACKED / self.package / program, folder, program)
        self.make(certificate)

    @abstractmethod
    def make(self, certificate: Path) -> None:
        """Make its accounts, its folders and its settings."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command that runs it in the foreground."""

    def accounts(self, *lines: tuple[str, int]) -> None:
        """Make further accounts, each with its group."""
        people = "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in lines)
        (self.folder / "etc/passwd").write_text(ACCOUNTS + people)
        (self.folder / "etc/group").write_text(GROUPS + "".join(f"{name}:x:{number}:\n" for name, number in lines))

    def start(self) -> None:
        with (self.folder / "output").open("w") as output:
            self._process = subprocess.Popen(
                ["chroot", str(self.folder), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until(self._greets, f"the greeting of {self.package}: {(self.folder / 'output').read_text()}")

    def _greets(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=120):
                return True
        except OSError:
            return False

    def close(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(120)
            self._process = None


class OfExim(Jailed):
    """Exim."""

    extensions = frozenset({"STARTTLS", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"})
    package, programs, account = "exim4-daemon-light", ("usr/sbin/exim4",), "exim.example"

    def make(self, certificate: Path) -> None:
        self.accounts(("Debian-exim", 105), ("mail", 8))
        for name in ("var/spool/exim4", "var/log/exim4", "mail"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, 105, 105)
        (self.folder / "etc/exim.conf").write_text(EXIM.format(relay_port=self.relay_port))
        shutil.copy2(certificate, self.folder / "etc/certificate.pem")
        os.chown(self.folder / "etc/certificate.pem", 105, 105)

    def command(self) -> list[str]:
        return ["/usr/sbin/exim4", "-C", "/etc/exim.conf", "-bdf", "-q2s", "-oX", f"[127.0.0.1]:{self.port}"]

    def kept(self) -> list[bytes]:
        return _read(self.folder / "mail/new")


class OfOpenSmtpd(Jailed):
    """OpenSMTPD. Debian's of release 12 offers STARTTLS, but cannot use its own key with OpenSSL 3: handshakes fail."""

    extensions = frozenset({"8BITMIME", "DSN"})
    package, account = "opensmtpd", "opensmtpd.example"
    programs = ("usr/sbin/smtpd", "usr/sbin/smtpctl", "usr/libexec/opensmtpd/mail.maildir")

    def make(self, certificate: Path) -> None:
        self.accounts(("opensmtpd", 105), ("opensmtpq", 106))
        _copy(Path("/bin/sh").resolve(), self.folder, "bin/sh")
        for name in ("var/spool/smtpd", "run/opensmtpd", "var/lib/opensmtpd/empty"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "var/spool/smtpd").chmod(0o711)
        text = OPENSMTPD.format(port=self.port, relay_port=self.relay_port)
        (self.folder / "etc/smtpd.conf").write_text(text)
        for name in ("certificate.pem", "key.pem"):
            shutil.copy2(certificate, self.folder / "etc" / name)

    def command(self) -> list[str]:
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]

    def kept(self) -> list[bytes]:
        return _read(self.folder / "people/user/Maildir/new")


def missing(kind: type[MailServer]) -> str:
    """Why a server cannot be run here; "" where it can."""
    if os.geteuid() != 0:
        return "mail servers can only be started by root"
    if issubclass(kind, Jailed):
        return "" if (UNPACKED / kind.package).exists() else f"{kind.package} is missing (tools/unpack-debian)"
    return Postfix.missing() or ""


def _copy(program: Path, folder: Path, name: str) -> None:
    """A program with its libraries, without the rights that its package gives it."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    target.chmod(0o755)
    unpacked = [str(path) for path in UNPACKED.glob("*/usr/lib/x86_64-linux-gnu")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(unpacked)}
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True, env=environment).stdout
    for word in listed.split():
        if word.startswith("/"):
            inside = word.partition(f"{UNPACKED}/")[2].partition("/")[2] or word.lstrip("/")
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / inside).exists():
                shutil.copy(word, folder / inside)


def _read(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []
