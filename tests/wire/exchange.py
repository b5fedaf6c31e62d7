"""A connection in memory, for tests that say something and look at what comes back."""

from mailroot.mail.envelope import Recipient
from mailroot.wire.events import BodyFailed, Fault, MailFrom, RcptTo
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import ServerEngine
from tests.dialogue import CLIENT, DEFAULT_DOMAIN, FQDN, GREETING, Policy, pump


class Exchange:
    """An engine that was greeted, with a policy behind it."""

    def __init__(self, *, policy: str = "all", hello: bool = True, **settings: int | bool) -> None:
        profile = ServerProfile(FQDN, CLIENT, default_domain=DEFAULT_DOMAIN, **settings)  # type: ignore[arg-type]
        self.engine = ServerEngine(profile)
        self.policy = Policy(policy)
        self.engine.greet(GREETING)
        pump(self.engine, self.policy)
        if hello:
            self.say(b"EHLO client.test\r\n")

    def say(self, octets: bytes) -> list[str]:
        """Send octets in one write; the server's lines."""
        self.engine.feed(octets)
        return pump(self.engine, self.policy).decode().splitlines()

    def one(self, command: bytes) -> str:
        """Send a command; its one-line reply."""
        lines = self.say(command + b"\r\n")
        assert len(lines) == 1, lines
        return lines[0]

    def begin(self, parameters: bytes = b"") -> "Exchange":
        """Open a transaction with one recipient."""
        assert self.one(b"MAIL FROM:<a@b.test>" + parameters).startswith("250")
        assert self.one(b"RCPT TO:<c@local.test>").startswith("250")
        return self

    def send(self, content: bytes) -> list[str]:
        """A whole message by DATA; `content` brings its own end."""
        self.begin()
        assert self.one(b"DATA").startswith("354")
        return self.say(content)

    @property
    def closed(self) -> bool:
        return self.engine.closing

    @property
    def faults(self) -> list[str]:
        return [event.kind for event in self.policy.events if isinstance(event, Fault)]

    @property
    def failures(self) -> list[BodyFailed]:
        return [event for event in self.policy.events if isinstance(event, BodyFailed)]

    @property
    def last_recipient(self) -> Recipient:
        return next(event.recipient for event in reversed(self.policy.events) if isinstance(event, RcptTo))

    @property
    def last_mail(self) -> MailFrom:
        return next(event for event in reversed(self.policy.events) if isinstance(event, MailFrom))
