"""What the engine must know of its virtual server and its peer: values only, no opinions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """The settings of one connection's engine; they never change while it lives.

    Sizes are octets, limits of 0 mean none, time-outs are seconds. `client_address` is what "Hello [...]" shows.
    """

    fqdn: str
    client_address: str
    size_limit: int = 0
    """Octets of one message as stored: after dot-unstuffing and newline normalisation."""
    session_limit: int = 0
    """Octets of all messages of the connection together."""
    recipient_limit: int = 0
    error_limit: int = 20
    """The protocol fault with this number is answered 421, and the connection ends."""
    junk_limit: int = 100
    """How often a client may say what brings no mail forward (NOOP, RSET, VRFY, refused recipients, chunks of a few
    octets) between two accepted messages; from then on each time is a protocol fault."""
    reject_bare_newline: bool = False
    """Refuse content, and command lines, with a bare CR or LF instead of mending it."""
    default_domain: str = ""
    strict_pipelining: bool = True
    """Close on input that RFC 2920 section 3.1 clearly forbids, see `server`. Off for peers that are trusted."""
    secured: bool = False
    """The connection is encrypted."""
    starttls: bool = False
    """STARTTLS is offered."""
    tls_required: bool = False
    """Nearly every command is refused until the connection is encrypted."""
    mechanisms: tuple[str, ...] = ()
    """The mechanisms of AUTH that are offered, in the order in which they are listed."""
    auth_needs_tls: bool = False
    """AUTH is offered once the connection is encrypted, not before."""
    auth_limit: int = 5
    """The failed attempt to sign in with this number is answered 421, and the connection ends."""
    holds: bool = False
    """Some domain's mail waits to be asked for: ETRN is offered."""
    turns: bool = False
    """TURN and ATRN are offered to who can sign in."""
    command_timeout: float = 300.0  # RFC 5321 section 4.5.3.2.7: at least 5 minutes
    body_timeout: float = 180.0  # RFC 5321 section 4.5.3.2.5: 3 minutes for a block of content
    drain_limit: int = 256 * 1024 * 1024
    """How much of a message that is already refused is still read, so that its client sees the reply."""
