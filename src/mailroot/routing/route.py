"""Routes: the next hop of a recipient, with its demands.

Not responsible for the names and addresses of hosts (`routing.exchangers`) or for carrying (`service`).
"""

from dataclasses import dataclass, field, replace

from mailroot.mail.address import Mailbox
from mailroot.mail.status import Disposition, Status
from mailroot.settings.delivery import Authentication, OutboundSecurity
from mailroot.settings.places import SmartHost


@dataclass(frozen=True, slots=True)
class DropRoute:
    """Into a Drop folder. `domain` is the local default domain; `folder` its Drop folder, absolute.

    With `redirect`, the address of a trap, the message is for it alone.
    """

    domain: str
    folder: str
    redirect: Mailbox | None = None


@dataclass(frozen=True, slots=True)
class RelayRoute:
    """To another SMTP server.

    `domain` is the recipients' domain, as it is compared; "[192.0.2.1]" for a literal, "" where only smart hosts count.
    `smart_hosts` are tried in their order; without any, the domain's exchangers are asked for (RFC 5321 section 5.1).
    With `direct_first`, the exchangers come first and the smart hosts only if none could be reached. `port` is the port
    of exchangers and of smart hosts that name none. With `known_domain`, the settings say by name how the domain is
    signed in to; otherwise our credentials are for smart hosts alone. `destination` is what deliveries share
    connections, limits and the memory of failures by, and what operators read.
    """

    domain: str
    smart_hosts: tuple[SmartHost, ...]
    direct_first: bool
    port: int
    use_helo: bool
    security: OutboundSecurity
    known_domain: bool = False
    destination: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Name the destination once: it is asked for with every delivery."""
        by_host = bool(self.smart_hosts) and not self.direct_first
        name = ",".join(str(host) for host in self.smart_hosts) if by_host else self.domain
        object.__setattr__(self, "destination", name)

    def security_for(self, host: str) -> OutboundSecurity:
        """What is demanded of a host, by its name. One that only DNS leads to is never shown our credentials."""
        if self.known_domain or self.security.authentication is Authentication.ANONYMOUS:
            return self.security
        if any(host == (f"[{smart.host}]" if smart.literal else smart.host) for smart in self.smart_hosts):
            return self.security
        return replace(self.security, authentication=Authentication.ANONYMOUS)


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nowhere: the recipients have this status at once."""

    status: Status


@dataclass(frozen=True, slots=True)
class HoldRoute:
    """To wait: the domain's own server asks for its mail, by ETRN, ATRN or TURN (facts 1.7).

    `domain` is the recipients' domain, as it is compared; `relay` its way once it has been asked for.
    """

    domain: str
    relay: RelayRoute

    @property
    def status(self) -> Status:
        """What senders are told of the wait."""
        reason = f"The message waits until the server of {self.domain} asks for its mail."
        return Status(Disposition.DELAYED, "4.4.0", reason)


Route = DropRoute | RelayRoute | HoldRoute | NoRoute
