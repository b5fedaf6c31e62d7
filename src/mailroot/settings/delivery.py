"""Options of the way out: retries, outgoing connections, smart host, outbound security (IIS: Delivery tab)."""

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mailroot.settings.access import TlsVersion
from mailroot.settings.option import Applies, option, section, strict
from mailroot.settings.places import RESOLVER, SMART_HOSTS, Binding, SmartHost
from mailroot.settings.spelling import TEXT, Count, Duration, File, Flag, Port, Text, choice, count, duration, several
from mailroot.settings.trap import TRAP, Trap

_SECURITY = "Delivery > Outbound Security"
_CONNECTIONS = "Delivery > Outbound connections"
_ADVANCED = "Delivery > Advanced"


class Authentication(enum.Enum):
    """How Mailroot signs in to another server."""

    ANONYMOUS = "anonymous"
    BASIC = "basic"
    INTEGRATED = "integrated"
    OAUTH2 = "oauth2"


class OutboundTls(enum.Enum):
    """What is asked of TLS towards another server."""

    OFF = "off"
    OPPORTUNISTIC = "opportunistic"
    REQUIRE = "require"
    VERIFY = "verify"


@strict
@dataclass(frozen=True, slots=True)
class OAuth2:
    """Where access tokens come from: a token endpoint (RFC 6749), or a command. Secrets are resolved.

    `refresh_token_file` is absolute or "" once the file was read.
    """

    token_url: Text = option("", "The token endpoint; https, or http on this machine.")
    client_id: Text = option("", "What the endpoint knows Mailroot as.")
    client_secret: Text = option(
        "", 'The secret of the client, or the name of an environment variable that holds it, as "$NAME".', secret=True
    )
    client_secret_file: File = option("", "A file that holds the client's secret instead; its first line is taken.")
    refresh_token: Text = option(
        "",
        'A refresh token, or the name of an environment variable that holds it, as "$NAME"; '
        "without one, the client's own credentials are exchanged.",
        secret=True,
    )
    refresh_token_file: File = option(
        "", "A file that holds the refresh token instead; a new one that the endpoint gives is written there."
    )
    scope: Text = option("", "The scope that is asked for.")
    token_command: Annotated[tuple[str, ...], several(TEXT)] = option(
        (), "A command, word by word, that prints an access token; it stands instead of the endpoint."
    )


@strict
@dataclass(frozen=True, slots=True)
class OutboundSecurity:
    """How connections to other servers are signed in and encrypted. `password` holds the secret itself, resolved.

    `ca_file` is absolute or "" once the file was read.
    """

    authentication: Annotated[Authentication, choice(Authentication)] = option(
        Authentication.ANONYMOUS,
        "How Mailroot signs in to the other server.",
        label="Anonymous access / Basic authentication / Integrated Windows Authentication",
        tab=_SECURITY,
        metabase="RouteAction",
    )
    username: Text = option(
        "", "The account to sign in with.", label="User name", tab=_SECURITY, metabase="RouteUserName"
    )
    password: Text = option(
        "",
        'The password, or the name of an environment variable that holds it, as "$NAME".',
        label="Password",
        tab=_SECURITY,
        metabase="RoutePassword",
        secret=True,
    )
    password_file: File = option("", "A file that holds the password instead; its first line is taken.")
    password_without_tls: Flag = option(
        False, "Whether the password or token may go over a connection without TLS, where everybody can read it."
    )
    tls: Annotated[OutboundTls, choice(OutboundTls)] = option(
        OutboundTls.OPPORTUNISTIC,
        "Whether connections to the other server are encrypted, must be, or must be with a valid certificate.",
        label="TLS encryption",
        tab=_SECURITY,
        metabase="RouteAction",
    )
    implicit_tls: Flag = option(
        False, "Whether TLS begins with the connection, without STARTTLS; to port 465 it always does."
    )
    tls_minimum: Annotated[TlsVersion, choice(TlsVersion)] = option(
        TlsVersion.TLS_1_2, "The oldest version of TLS that may be spoken with the other server."
    )
    ca_file: File = option(
        "", "A PEM file with the authorities whose certificates are believed; empty: those of the system."
    )
    oauth2: OAuth2 = section(OAuth2, "Where access tokens come from, with `authentication` `oauth2`.")


@strict
@dataclass(frozen=True, slots=True)
class Delivery:
    """When and how mail goes out. `smart_host` is empty without one; `fqdn` is never "" (resolved)."""

    retry_intervals: Annotated[tuple[timedelta, ...], several(duration(), least=1)] = option(
        tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 240)),
        "The waits between attempts: after the first, the second, the third, and after every further one.",
        label="First / Second / Third / Subsequent retry interval (minutes)",
        tab="Delivery",
        metabase="SmtpRemoteProgressiveRetry",
    )
    retry_attempts: Count = option(0, "How often delivery is tried before a message is given up; 0: until it expires.")
    delay_notification: Duration = option(
        timedelta(hours=12),
        "When the sender of a message to another server is told that it is delayed.",
        label="Delay notification",
        tab="Delivery",
        metabase="SmtpRemoteDelayExpireMinutes",
    )
    expiration: Duration = option(
        timedelta(days=2),
        "When a message to another server is given up and its sender is told.",
        label="Expiration timeout",
        tab="Delivery",
        metabase="SmtpRemoteNDRExpireMinutes",
    )
    local_delay_notification: Duration = option(
        timedelta(hours=12),
        "When the sender of a message to a Drop folder is told that it is delayed.",
        label="Local: Delay notification",
        tab="Delivery",
        metabase="SmtpLocalDelayExpireMinutes",
    )
    local_expiration: Duration = option(
        timedelta(days=2),
        "When a message to a Drop folder is given up and its sender is told.",
        label="Local: Expiration timeout",
        tab="Delivery",
        metabase="SmtpLocalNDRExpireMinutes",
    )
    connection_limit: Count = option(
        1000,
        "How many outgoing connections there may be at a time; 0: no limit.",
        label="Limit number of connections to",
        tab=_CONNECTIONS,
        metabase="MaxOutConnections",
    )
    connection_limit_per_domain: Count = option(
        100,
        "How many outgoing connections there may be to one domain or smart host; 0: no limit.",
        label="Limit number of connections per domain to",
        tab=_CONNECTIONS,
        metabase="MaxOutConnectionsPerDomain",
    )
    recipients_per_transaction: Count = option(
        100,
        "How many recipients of a message go to a server in one transaction, the others in further ones at once; "
        "0: no limit.",
    )
    connection_timeout: Duration = option(
        timedelta(minutes=10),
        "How long an outgoing connection may stand still before it is closed.",
        label="Time-out (minutes)",
        tab=_CONNECTIONS,
        metabase="RemoteTimeout",
    )
    port: Port = option(
        25,
        "The TCP port of other servers, where a smart host names none.",
        label="TCP port",
        tab=_CONNECTIONS,
        metabase="RemoteSmtpPort",
    )
    hop_count: Annotated[int, count(1, 1000)] = option(
        15,
        "How many servers a message may have passed before it is taken to be in a loop.",
        label="Maximum hop count",
        tab=_ADVANCED,
        metabase="HopCount",
        applies=Applies.NEW_SESSIONS,
    )
    masquerade_domain: Text = option(
        "",
        "The domain that replaces local ones in the sender of mail that goes out, and names our reports; empty: none.",
        label="Masquerade domain",
        tab=_ADVANCED,
        metabase="MasqueradeDomain",
    )
    fqdn: Text = option(
        "",
        "The name that this server calls itself; empty: the machine's own.",
        label="Fully-qualified domain name",
        tab=_ADVANCED,
        metabase="FullyQualifiedDomainName",
        applies=Applies.NEW_SESSIONS,
    )
    smart_host: Annotated[tuple[SmartHost, ...], SMART_HOSTS] = option(
        (),
        "The server that all mail for other domains goes to; of a list, the next one where one fails, or as "
        '";order=1;weight=3" behind their names says; empty: none.',
        label="Smart host",
        tab=_ADVANCED,
        metabase="SmartHost",
    )
    direct_first: Flag = option(
        False,
        "Whether direct delivery is tried before the smart host.",
        label="Attempt direct delivery before sending to smart host",
        tab=_ADVANCED,
        metabase="SmartHostType",
    )
    reverse_dns: Flag = option(
        False,
        "Whether each client's name is looked up; Received says so where it is not what the client calls itself.",
        label="Perform reverse DNS lookup on incoming messages",
        tab=_ADVANCED,
        metabase="EnableReverseDnsLookup",
        applies=Applies.NEW_SESSIONS,
    )
    dns: Annotated[tuple[Binding, ...], several(RESOLVER)] = option(
        (),
        "The DNS servers to ask; empty: those of the machine.",
    )
    private_exchangers: Flag = option(
        False,
        "Whether mail may follow MX records that lead to loopback or private addresses.",
    )
    trap: Annotated[Trap | None, TRAP] = option(
        None,
        "For developers: `capture` puts all mail into Drop, an address has all of it sent there. Mail is then taken "
        "for every recipient, and reaches none of them.",
        applies=Applies.NEW_SESSIONS,
    )
    security: OutboundSecurity = section(OutboundSecurity, "How outgoing connections are signed in and encrypted.")
