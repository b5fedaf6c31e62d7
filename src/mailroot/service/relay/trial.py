"""The trial of a smart host or a domain: every link from DNS to a transaction, as mail would take it.

It is walked by the code that carries mail, so it cannot be better or worse than that. No message is handed over: the
transaction ends before DATA.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mailroot.edge.clock import utc_now
from mailroot.edge.dns import DnsResolver
from mailroot.edge.kerberos.client import client_context
from mailroot.edge.ownaddresses import is_bound_by, is_local
from mailroot.edge.tls.outgoing import ClientTls
from mailroot.edge.tokenrequest import request_token
from mailroot.edge.tokens import Tokens
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Recipient
from mailroot.mail.faults import Misconfigured
from mailroot.mail.reply import Reply
from mailroot.mail.status import Status
from mailroot.routing.domains import DomainTable
from mailroot.routing.exchangers import Host, Surroundings
from mailroot.routing.masquerade import Masquerade
from mailroot.routing.plan import Plan
from mailroot.routing.route import HoldRoute, RelayRoute
from mailroot.service.relay.approach import Link, Tools, approach_of, call
from mailroot.service.relay.callout import Guide, Line, perform
from mailroot.service.relay.signin import Wallet
from mailroot.settings.delivery import Authentication
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer
from mailroot.wire.client import rehearse
from mailroot.wire.offer import Mail
from mailroot.wire.refusals import known_refusal

# Whoever waits at a terminal waits no longer for one answer, in seconds.
_LONGEST = 30.0
# A domain that no table holds stands for all domains that only the smart host serves.
_ANY_DOMAIN = "any-domain.invalid"

_MENDS = {
    "4.7.10": "use the port on which the host speaks TLS, mostly 587 or 465, or demand less by security.tls",
    "4.7.5": "have the certificate mended, name the host as it does, or name its authority in security.ca_file",
    "4.3.5": "name a file with certificates in security.ca_file that the service can read",
    "4.7.11": 'write tls = "require" or "verify", and use the port on which the host speaks TLS',
    "4.7.8": "check username and password",
    "4.7.4": "choose another security.authentication",
    "4.7.0": "check the oauth2 table, or use the port for submission, mostly 587",
    "4.4.1": "check name and port, and whether a firewall lets us out; many networks block port 25, so try 587",
}
_DNS_MEND = (
    "check how the name is written, and the DNS servers in delivery.dns; DNS alone is asked, not /etc/hosts: "
    'write "[192.0.2.1]" for a host that stands there'
)


@dataclass(frozen=True, slots=True)
class Step:
    """One link that was tried: what it is, whether it holds, what is to be known; for one that broke, the mend."""

    link: str
    holds: bool
    said: str
    reply: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: the way of the mail of `server` for `name`, which is a domain, or "" for all others."""

    server: str
    name: str
    settings: VirtualServer
    route: RelayRoute
    sender: Mailbox
    recipient: Mailbox

    @property
    def plan(self) -> str:
        """The first line that people read."""
        whose = f"Mail for {self.name}" if self.name else "Mail for other domains"
        security = self.route.security
        how = f'tls = "{security.tls.value}", authentication = "{security.authentication.value}"'
        if security.authentication is not Authentication.ANONYMOUS and security.username:
            how += f" as {security.username}"
        to = self.route.destination
        return f"{whose} leaves the server {self.server} for {to}: {how}."


def trial_of(settings: Settings, name: str, server: str, sender: str, recipient: str) -> Trial:
    """What NAME stands for: a virtual server's smart host, or a domain. Raises `Misconfigured` where it has no way."""
    if server and server not in settings.servers:
        raise Misconfigured(f"there is no virtual server {server}; there are {', '.join(settings.servers)}")
    named = next((key for key, one in settings.servers.items() if name in {key, one.name}), "")
    key, domain = (named, "") if named and server in {"", named} else (server or _server_with(settings, name), name)
    found = settings.servers[key]
    route = Plan(found, DomainTable(found.domains)).route(domain or _ANY_DOMAIN)
    if isinstance(route, HoldRoute):
        route = route.relay
    if not isinstance(route, RelayRoute):
        raise Misconfigured(f"{name} is a local domain of the server {key}: its mail goes nowhere else")
    if not domain:
        if not route.smart_hosts:
            raise Misconfigured(f"the server {key} has no smart host; name a domain instead, such as example.com")
        route = replace(route, domain="", direct_first=False)
    origin = _mailbox(sender) or _seen(_origin(found, route), found)
    target = _mailbox(recipient) or (Mailbox("postmaster", domain) if domain else origin)
    return Trial(key, domain, found, route, origin, target)


def _seen(sender: Mailbox, server: VirtualServer) -> Mailbox:
    """The sender as other servers see it."""
    masquerade = Masquerade(server.delivery.masquerade_domain, DomainTable(server.domains))
    return masquerade.sender(sender) if server.delivery.masquerade_domain and masquerade.hides(sender) else sender


def _server_with(settings: Settings, domain: str) -> str:
    """The first server that has the domain in its table, or else the first."""
    tables = ((key, DomainTable(server.domains)) for key, server in settings.servers.items())
    return next((key for key, table in tables if table.find(domain)), next(iter(settings.servers)))


def _origin(server: VirtualServer, route: RelayRoute) -> Mailbox:
    """The account where it is an address, since many hosts let it send as nobody else."""
    default = DomainTable(server.domains).default
    account = _mailbox(route.security.username)
    signs_in = route.security.authentication is not Authentication.ANONYMOUS
    return account if account is not None and signs_in else Mailbox("postmaster", default)


def _mailbox(text: str) -> Mailbox | None:
    local, _, domain = text.rpartition("@")
    return Mailbox(local, domain) if local and domain else None


async def walk(
    trial: Trial, bindings: list[tuple[str, int]], tell: Callable[[Step], None], resolver: DnsResolver | None = None
) -> bool:
    """Try host after host until a transaction would be taken; whether one was. Each step is told when it is known.

    `resolver` shares its answers; None: one that asks as the virtual server's mail does.
    """
    if resolver is None:
        servers = trial.settings.delivery.dns
        resolver = DnsResolver([(server.address, server.port) for server in servers], time.monotonic)
    return await _Walk(trial, bindings, tell, resolver).go()


class _Walk:
    """Watches the approach (`service.relay.approach.Watcher`) and tells its steps."""

    def __init__(
        self, trial: Trial, bindings: list[tuple[str, int]], tell: Callable[[Step], None], resolver: DnsResolver
    ) -> None:
        delivery = trial.settings.delivery
        self._trial = trial
        self._tell = tell
        self._link = Link.CONNECTION
        ours = Surroundings(delivery.fqdn, is_local, is_bound_by(bindings), delivery.private_exchangers)
        self._guide = Guide(resolver, ours)
        tokens = Tokens(request_token, time.monotonic, _unheard)
        self._tools = Tools(ClientTls(), Wallet(tokens, client_context, utc_now), self._fell_back)

    async def go(self) -> bool:
        hosts = await self._guide.hosts(self._trial.route)
        if isinstance(hosts, Status):
            self._broke("DNS", hosts, _DNS_MEND)
            return False
        self._tell(Step("DNS", True, ", ".join(_place(host) for host in hosts)))
        for host in hosts:
            line = await self._called(host)
            if isinstance(line, Line):
                return await self._rehearsed(line)
        return False

    async def _called(self, host: Host) -> Line | None:
        approach = approach_of(host, self._trial.route, self._trial.settings)
        line = await call(replace(approach, longest=min(_LONGEST, approach.longest)), self._tools, self)
        if isinstance(line, Line):
            return line
        self._broke(self._link.value, line, _MENDS.get(line.code, ""))
        return None

    async def _rehearsed(self, line: Line) -> bool:
        trial = self._trial
        recipient = Recipient(trial.recipient)
        mail = Mail(Envelope(trial.sender, (recipient,)), [(0, recipient)], Body.SEVEN_BIT, 1000)
        replies = await perform(rehearse(line.peer, mail), line.connection, line.longest)
        await line.close()
        for said, reply in zip((f"MAIL FROM:<{trial.sender}>", f"RCPT TO:<{trial.recipient}>"), replies, strict=False):
            if not reply.positive:
                self._tell(Step("transaction", False, f"{said} was refused.", reply.text, _reply_mend(reply)))
                return False
        taken = f"{trial.recipient} would be taken from {trial.sender}"
        self._tell(Step("transaction", True, taken, replies[-1].text))
        return True

    # -- what the approach tells

    def begins(self, link: Link) -> None:
        """A link is tried."""
        self._link = link

    def holds(self, link: Link, said: str) -> None:
        """A link stands."""
        self._tell(Step(link.value, True, said))

    def _fell_back(self, host: Host, cause: str) -> None:
        said = f"TLS with {host.name} failed, so mail goes there in clear text: {cause}."
        self._tell(Step(Link.TLS.value, False, said, mend='write tls = "require" or "verify" to forbid that'))

    def _broke(self, link: str, status: Status, mend: str) -> None:
        known = known_refusal(status.reply) or known_refusal(status.reason)
        self._tell(Step(link, False, status.reason, status.reply, known.mend if known else mend))


def _unheard(_source: str, _cause: str) -> None:
    """The step that needed the token tells what was wrong with it."""


def _place(host: Host) -> str:
    return f"{host.name} is {host.address}, port {host.port}"


def _reply_mend(reply: Reply) -> str:
    known = known_refusal(reply.text)
    return f"{known.meaning}; {known.mend}" if known else "ask the administrator of that server"
