"""Options of a virtual server (IIS: its property sheet); the larger tabs have modules of their own."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mailroot.mail.pickuplines import Dots
from mailroot.settings.access import (
    Access,
    AccountSource,
    AddressList,
    ListMode,
    NamedCertificate,
    Relay,
    TlsOffer,
    TlsVersion,
)
from mailroot.settings.collect import Collection
from mailroot.settings.delivery import Authentication, Delivery, OutboundSecurity, OutboundTls
from mailroot.settings.dkim import Dkim
from mailroot.settings.domains import Domain
from mailroot.settings.ldap import LdapBinding, LdapRouting, LdapSchema
from mailroot.settings.log import Log, LogFormat, LogPeriod
from mailroot.settings.option import Applies, option, section, strict
from mailroot.settings.pace import Pace
from mailroot.settings.places import BINDING, AddressEntry, Binding
from mailroot.settings.spelling import (
    Count,
    Duration,
    Flag,
    Folder,
    Mode,
    Size,
    Text,
    choice,
    several,
)

__all__ = [
    "Access",
    "AccountSource",
    "AddressEntry",
    "AddressList",
    "Authentication",
    "BareNewline",
    "Binding",
    "Delivery",
    "Dots",
    "Drop",
    "General",
    "LdapBinding",
    "LdapRouting",
    "LdapSchema",
    "ListMode",
    "Log",
    "LogFormat",
    "LogPeriod",
    "Messages",
    "NamedCertificate",
    "OutboundSecurity",
    "OutboundTls",
    "Pickup",
    "Relay",
    "Start",
    "TlsOffer",
    "TlsVersion",
    "VirtualServer",
]


class Start(enum.Enum):
    """Whether something starts by itself, when asked to, or never."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    DISABLED = "disabled"


class BareNewline(enum.Enum):
    """What becomes of a message with CR or LF alone."""

    NORMALIZE = "normalize"
    REJECT = "reject"


@strict
@dataclass(frozen=True, slots=True)
class General:
    """Listening, and limits of incoming connections."""

    bindings: Annotated[tuple[Binding, ...], several(BINDING)] = option(
        (Binding("0.0.0.0", 25),),  # noqa: S104 - "All Unassigned", the default of IIS
        "The addresses and ports that are listened on.",
        label="IP address > Advanced...",
        tab="General",
        metabase="ServerBindings",
        applies=Applies.LISTENER,
    )
    tls_bindings: Annotated[tuple[Binding, ...], several(BINDING)] = option(
        (),
        "The addresses and ports where TLS is spoken from the first octet on, such as port 465.",
        metabase="SecureBindings",
        applies=Applies.LISTENER,
    )
    connection_limit: Count = option(
        0,
        "How many incoming connections there may be at a time; 0: no limit.",
        label="Limit number of connections to",
        tab="General",
        metabase="MaxConnections",
        applies=Applies.NEW_SESSIONS,
    )
    connection_timeout: Duration = option(
        timedelta(minutes=10),
        "How long an incoming connection may stand still before it is closed.",
        label="Connection time-out (minutes)",
        tab="General",
        metabase="ConnectionTimeout",
        applies=Applies.NEW_SESSIONS,
    )
    error_limit: Count = option(
        20,
        "After how many refused commands a connection is closed; 0: never.",
        metabase="MaxSmtpErrors",
        applies=Applies.NEW_SESSIONS,
    )
    banner: Text = option(
        "Mailroot ESMTP Service",
        "What the greeting says after the server's name.",
        metabase="ConnectResponse",
        applies=Applies.NEW_SESSIONS,
    )
    log: Log = section(Log, "The protocol log.")

    @property
    def listening(self) -> tuple[Binding, ...]:
        """All bindings; those where TLS is spoken from the first octet on are the last."""
        return self.bindings + self.tls_bindings


@strict
@dataclass(frozen=True, slots=True)
class Messages:
    """Limits of messages, and where those go that can neither be delivered nor returned. `badmail` is absolute."""

    size_limit: Size = option(
        2048 * 1024,
        "How large a message may be; 0: no limit.",
        label="Limit message size to (KB)",
        tab="Messages",
        metabase="MaxMessageSize",
        applies=Applies.NEW_SESSIONS,
    )
    session_limit: Size = option(
        10240 * 1024,
        "How much all messages of one connection may have together; 0: no limit.",
        label="Limit session size to (KB)",
        tab="Messages",
        metabase="MaxSessionSize",
        applies=Applies.NEW_SESSIONS,
    )
    recipient_limit: Count = option(
        100,
        "How many recipients one transaction may have; 0: no limit.",
        label="Limit number of recipients per message to",
        tab="Messages",
        metabase="MaxRecipients",
        applies=Applies.NEW_SESSIONS,
    )
    per_connection: Count = option(
        20,
        "How many messages are sent on one outgoing connection before another is opened; 0: no limit.",
        label="Limit number of messages per connection to",
        tab="Messages",
        metabase="MaxBatchedMessages",
    )
    ndr_copy_to: Text = option(
        "",
        "An address that gets a copy of every non-delivery report; empty: none.",
        label="Send copy of Non-Delivery Report to",
        tab="Messages",
        metabase="SendNdrTo",
    )
    badmail: Folder = option(
        "",
        "The folder for mail that can neither be delivered nor returned; empty: Badmail under the server's home.",
        label="Badmail directory",
        tab="Messages",
        metabase="BadMailDirectory",
    )
    badmail_retention: Duration = option(
        timedelta(days=30), "How long files stay in Badmail.", caption="Keep files in Badmail for"
    )
    badmail_limit: Size = option(
        1 << 30,
        "How much Badmail may hold; the oldest files go first; 0: no limit.",
        metabase="MaxBadMailFolderSize",
        caption="Size limit of Badmail",
    )
    bare_newline: Annotated[BareNewline, choice(BareNewline)] = option(
        BareNewline.NORMALIZE,
        "Whether CR or LF alone becomes CRLF, or the message is refused.",
        applies=Applies.NEW_SESSIONS,
        caption="CR or LF alone in messages",
    )


@strict
@dataclass(frozen=True, slots=True)
class Pickup:
    """The Pickup folder. `mode` is octal digits; "" leaves owner, group or mode as the system makes them."""

    enabled: Flag = option(
        True,
        "Whether files in Pickup are taken and sent.",
        metabase="ShouldPickupMail",
        caption="Take files from Pickup",
    )
    dots: Annotated[Dots, choice(Dots)] = option(
        Dots.AUTO,
        "Whether files write lines that begin with a dot with two of them.",
        metabase="SmtpDotStuffPickupDirFiles",
        caption="Lines that begin with a dot have two (as in SMTP)",
    )
    owner: Text = option("", "The account that owns the folder; empty: the service's.")
    group: Text = option("", "The group of the folder; empty: the service's.")
    mode: Mode = option("", 'The permissions of the folder, such as "0770"; empty: the service\'s.')
    rescan: Duration = option(
        timedelta(seconds=10),
        "How often the folder is looked through besides being watched.",
        caption="Look through the folder every",
    )


@strict
@dataclass(frozen=True, slots=True)
class Drop:
    """The files in Drop folders. `mode` is octal digits; "" leaves owner, group or mode as the system makes them."""

    owner: Text = option("", "The account that owns the files; empty: the service's.")
    group: Text = option("", "The group of the files; empty: the service's.")
    mode: Mode = option("", 'The permissions of the files, such as "0660"; empty: the service\'s.')


@strict
@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One virtual server. `home` is absolute; `domains` are keyed by `domain_key`, wildcards with "*." in front."""

    name: Text = option(
        "Default SMTP Virtual Server",
        "The name that people read.",
        label="Name",
        tab="General",
        metabase="ServerComment",
    )
    home: Folder = option(
        "Mailroot",
        "The folder in which Pickup, Queue, Drop, Badmail and SortTemp are made.",
        metabase="PickupDirectory, QueueDirectory",
        applies=Applies.SERVICE,
    )
    start: Annotated[Start, choice(Start)] = option(
        Start.AUTOMATIC,
        "Whether the server starts with the service, when asked to, or never. One that runs goes on.",
        metabase="ServerAutoStart",
    )
    general: General = section(General, "Listening, and limits of incoming connections.")
    access: Access = section(Access, "Who may come in, and how.")
    messages: Messages = section(Messages, "Limits of messages.")
    delivery: Delivery = section(Delivery, "When and how mail goes out.")
    pickup: Pickup = section(Pickup, "The Pickup folder.")
    drop: Drop = section(Drop, "The files in Drop folders.")
    ldap_routing: LdapRouting = section(LdapRouting, "Recipients looked up in a directory.")
    dkim: Dkim = section(Dkim, "Signatures by DKIM on what leaves.")
    pace: Mapping[str, Pace] = section(dict, "How much single destinations get at a time (docs/sending.md).")
    collect: Mapping[str, Collection] = section(dict, "Other servers that hold our mail (docs/domains.md).")
    domains: Mapping[str, Domain] = section(dict, "The domains that are served or routed in a way of their own.")
