"""The two servers under test, behind one shape: start, count what arrived, stop."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from bench.account import Account

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT = 60.0
STOP_LIMIT = 30.0
RECIPIENT = "user@drop.example"
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
verify   unix - - n - 1 verify
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp     unix - - n - - smtp
relay    unix - - n - - smtp
showq    unix n - n - - showq
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
virtual  unix - n n - - virtual
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
"""
TLSMGR = "tlsmgr   unix - - n 1000? 1 tlsmgr\n"
TLS_OF_POSTFIX = """\
smtpd_tls_security_level = may
smtpd_tls_chain_files = {pem}
"""
SASL_OF_POSTFIX = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_local_domain = {realm}
smtpd_sasl_security_options = noanonymous
"""
REALM = "drop.example"


@dataclass(frozen=True, slots=True)
class Door:
    """What a server has besides its settings: TLS with the key and certificate of a file; accounts, so many; routes.

    A route is a domain, the address of its host and the port.
    """

    pem: Path | None = None
    accounts: int = 0
    routes: tuple[tuple[str, str, int], ...] = ()


CLEAR = Door()


class Unfinished(RuntimeError):
    """A server did not do what the workload asked for; the text says what is missing."""


def free_port() -> int:
    """Return a port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def name_of(account: int) -> str:
    """The name under which an account signs in."""
    return f"user{account}"


def password_of(account: int) -> str:
    """Its password."""
    return f"password {account} of the benchmark"


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate with a key on P-256; both in one file, which is returned."""
    pem, key, certificate = (folder / f"{name}.pem" for name in ("both", "key", "certificate"))
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench.example"]
    names = ["-addext", "subjectAltName=DNS:bench.example", "-days", "2"]
    command = ["openssl", "req", "-x509", *kind, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    pem.touch(0o600)
    pem.write_bytes(key.read_bytes() + certificate.read_bytes())
    key.unlink()
    return pem


class Server(ABC):
    """A server in a folder of its own, listening on a port of loopback; it relays to relay_port."""

    name: str
    suffix = ""  # of the name of a delivered message

    def __init__(self, folder: Path, relay_port: int, door: Door = CLEAR) -> None:
        self.folder = folder
        self.door = door
        self.port = free_port()
        self.relay_port = relay_port
        self.account = Account()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.output = folder / "output.txt"

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    @abstractmethod
    def drop(self) -> Path:
        """Return the folder in which a delivered message is one file."""

    def clear(self) -> None:
        """Remove what was delivered, as a reader of the folder does."""
        if self.drop().exists():
            for file in self.drop().iterdir():
                file.unlink()

    def delivered(self) -> int:
        """Return how many messages have been delivered into the folder, whole."""
        try:
            with os.scandir(self.drop()) as entries:
                return sum(entry.name.endswith(self.suffix) for entry in entries)
        except FileNotFoundError:
            return 0

    def start(self) -> float:
        """Start the server; return the seconds from its start to its first banner."""
        began = time.monotonic()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.account.command(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.account.root = self.process.pid
        while not self._greets():
            if self.process.poll() is not None or time.monotonic() - began > START_LIMIT:
                raise Unfinished(f"{self.name} did not start:\n{self.output.read_text(errors='replace')[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - began

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=START_LIMIT) as client:
                greeting = client.recv(512)
                client.sendall(b"QUIT\r\n")
                return greeting.startswith(b"220")
        except OSError:
            return False

    def stop(self) -> None:
        """End the server and every process that it left."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._end_what_is_left()
        self.process = None

    def _end_what_is_left(self) -> None:
        """Wait for the children, which see that their parent has gone; end those that stay."""
        if self.account.group is None:
            return
        patience = time.monotonic() + 2
        while (left := self.account.processes()) and time.monotonic() < patience + STOP_LIMIT:
            if time.monotonic() > patience:
                for process in left:
                    _kill(process)
            time.sleep(0.02)

    def close(self) -> None:
        """End the server and its account."""
        self.stop()
        self.account.close()


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


class Mailroot(Server):
    """Mailroot as its launcher runs it, with default settings."""

    name = "Mailroot"
    suffix = ".eml"

    def __init__(self, folder: Path, relay_port: int, door: Door = CLEAR) -> None:
        super().__init__(folder, relay_port, door)
        self.config = folder / "mailroot.toml"
        self.config.write_text(self._settings())
        if door.accounts:
            self._add_accounts()

    def _add_accounts(self) -> None:
        python = ROOT / ".venv" / "bin" / "python"  # made by the launcher
        command = [str(python), "-m", "bench.mailrootaccounts", str(self.folder / "mailroot.accounts")]
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "src")))
        environment = {**os.environ, "PYTHONPATH": paths}
        subprocess.run([*command, str(self.door.accounts)], check=True, stdin=subprocess.DEVNULL, env=environment)

    def _settings(self) -> str:
        text = json.dumps  # a JSON string is a TOML string
        pem = f"certificate = {text(str(self.door.pem))}\nkey = {text(str(self.door.pem))}\n" if self.door.pem else ""
        basic = "basic = true\nbasic_requires_tls = false\n" if self.door.accounts else ""
        return f"""\
[admin]
listen = "127.0.0.1:{free_port()}"
[servers.default]
home = {text(str(self.folder / "Mailroot"))}
[servers.default.general]
bindings = ["127.0.0.1:{self.port}"]
[servers.default.access]
relay = {{ mode = "only", list = ["127.0.0.1"], authenticated = true }}
{pem}{basic}[servers.default.delivery]
fqdn = "mailroot.example"
smart_host = "[127.0.0.1]:{self.relay_port}"
[servers.default.domains."drop.example"]
type = "default"
""" + "".join(
            f'[servers.default.domains.{text(domain)}]\ntype = "remote"\nroute = "[{address}]:{port}"\n'
            for domain, address, port in self.door.routes
        )

    def command(self) -> list[str]:
        """Return the launcher, which becomes the service."""
        return [str(ROOT / "mailroot"), "serve", "--config", str(self.config)]

    def drop(self) -> Path:
        """Return the default domain's Drop folder."""
        return self.folder / "Mailroot" / "Drop"


class Postfix(Server):
    """Debian's Postfix as an instance of its own: default settings, virtual(8) into a maildir, relay to one host."""

    name = "Postfix"
    session_limit = 100  # default_process_limit: more clients wait in the backlog
    programs = Path("/usr/lib/postfix/sbin")

    def __init__(self, folder: Path, relay_port: int, door: Door = CLEAR) -> None:
        super().__init__(folder, relay_port, door)
        self.config = folder / "config"
        self._make_folders()
        tls = TLS_OF_POSTFIX.format(pem=door.pem) if door.pem else ""
        sasl = SASL_OF_POSTFIX.format(realm=REALM) if door.accounts else ""
        (self.config / "main.cf").write_text(self._main_cf() + tls + sasl)
        (self.config / "master.cf").write_text(MASTER_CF.format(port=self.port) + (TLSMGR if door.pem else ""))
        if door.accounts:
            self._add_accounts()
        if door.routes:
            self._add_routes()

    def _add_routes(self) -> None:
        lines = (f"{domain} smtp:[{address}]:{port}\n" for domain, address, port in self.door.routes)
        (self.config / "transport").write_text("".join(lines))
        with (self.config / "main.cf").open("a") as main_cf:
            main_cf.write(f"transport_maps = texthash:{self.config}/transport\n")

    @classmethod
    def missing(cls) -> str | None:
        """Return why Postfix cannot take part, or None."""
        if not (cls.programs / "master").exists():
            return "Postfix is not installed (tools/install-debian)"
        return "Postfix needs root" if os.geteuid() else None

    def _add_accounts(self) -> None:
        """Put them into Cyrus SASL's own database, which keeps passwords as they are typed: no hash is ever made."""
        database = self.folder / "sasldb2"
        lines = ("pwcheck_method: auxprop", "auxprop_plugin: sasldb", f"sasldb_path: {database}", "mech_list: PLAIN")
        (self.config / "sasl").mkdir()  # Debian's place for it
        (self.config / "sasl" / "smtpd.conf").write_text("\n".join(lines) + "\n")
        for account in range(self.door.accounts):
            command = ["saslpasswd2", "-p", "-c", "-f", str(database), "-u", REALM, name_of(account)]
            subprocess.run(command, check=True, input=password_of(account).encode(), capture_output=True)
        shutil.chown(database, "postfix")

    def _make_folders(self) -> None:
        self.config.mkdir()
        owner = pwd.getpwnam("postfix")
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            folder = self.folder / "queue" / name
            folder.mkdir(parents=True, mode=0o700)
            os.chown(folder, owner.pw_uid, 0)
        (self.folder / "queue" / "pid").mkdir()
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            folder = self.folder / "queue" / name
            folder.mkdir()
            shutil.chown(folder, owner.pw_uid, "postdrop")
            folder.chmod(mode)
        for name, user in (("data", "postfix"), ("mail", "nobody")):
            (self.folder / name).mkdir(mode=0o700)
            shutil.chown(self.folder / name, user)

    def _main_cf(self) -> str:
        reader = pwd.getpwnam("nobody")
        return f"""\
compatibility_level = 3.6
config_directory = {self.config}
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
myhostname = postfix.example
mydestination =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{self.relay_port}
virtual_mailbox_domains = drop.example
virtual_mailbox_base = {self.folder}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{reader.pw_uid}
virtual_gid_maps = static:{reader.pw_gid}
virtual_mailbox_limit = 0
"""

    def command(self) -> list[str]:
        """Return master(8) in the foreground; -c tells its children the place of main.cf."""
        return [str(self.programs / "master"), "-s", "-c", str(self.config)]

    def drop(self) -> Path:
        """Return the part of the maildir that takes whole messages."""
        return self.folder / "mail" / "inbox" / "new"
