"""Options of LDAP routing: the directory, how it is asked, and what is made of its answers (IIS: LDAP Routing tab)."""

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mailroot.settings.filters import ACCOUNT_FILTER, RECIPIENT_FILTER, AccountFilter, RecipientFilter
from mailroot.settings.option import option, section, strict
from mailroot.settings.places import DIRECTORY_SERVER, DirectoryServer
from mailroot.settings.spelling import TEXT, Count, Duration, File, Flag, Text, choice, count, duration, several

_TAB = "LDAP Routing"
_Texts = Annotated[tuple[str, ...], several(TEXT)]


class LdapSchema(enum.Enum):
    """Where a directory keeps what routing asks for."""

    ACTIVE_DIRECTORY = "active-directory"
    MEMBERSHIP_DIRECTORY = "membership-directory"
    EXCHANGE_LDAP = "exchange-ldap"
    CUSTOM = "custom"


class LdapBinding(enum.Enum):
    """How Mailroot signs in to the directory."""

    ANONYMOUS = "anonymous"
    PLAIN_TEXT = "plain-text"
    WINDOWS = "windows"
    SERVICE_ACCOUNT = "service-account"


class LdapTls(enum.Enum):
    """What is asked of TLS towards a directory."""

    OFF = "off"
    REQUIRE = "require"
    VERIFY = "verify"


@strict
@dataclass(frozen=True, slots=True)
class CustomSchema:
    """Filters and attributes for `schema` `custom`. In filters `{address}`, `{local}`, `{domain}` stand for values."""

    recipient_filter: RecipientFilter = option(
        RECIPIENT_FILTER.parse("(|(mail={address})(mailAlternateAddress={address}))"),
        "The entries that an address belongs to; `{address}`, `{local}` and `{domain}` are filled in.",
    )
    account_filter: AccountFilter = option(
        ACCOUNT_FILTER.parse("(|(uid={user})(mail={user}))"),
        "The entry that a client signs in as; `{user}` is the name that it gives, without a domain before it.",
    )
    mail: _Texts = option(
        ("mail",),
        "Attributes with the address that mail goes to; the first that has one counts.",
        caption="Attributes: address that mail goes to",
    )
    alternates: _Texts = option(
        ("mailAlternateAddress",),
        "Attributes with further addresses of the same person.",
        caption="Attributes: further addresses",
    )
    group_classes: _Texts = option(
        ("groupOfNames", "groupOfUniqueNames", "groupOfMembers", "mailGroup"),
        "Object classes of groups.",
        caption="Object classes of groups",
    )
    members: _Texts = option(
        ("member", "uniqueMember"),
        "Attributes of a group with the names of its members.",
        caption="Attributes: members of a group by name",
    )
    member_addresses: _Texts = option(
        ("rfc822MailMember", "mgrpRFC822MailMember"),
        "Attributes of a group with addresses of members.",
        caption="Attributes: members of a group by address",
    )
    forward: _Texts = option(
        ("mailForwardingAddress",),
        "Attributes with addresses that mail is forwarded to.",
        caption="Attributes: forwarding by address",
    )
    forward_names: _Texts = option(
        (),
        "Attributes with the names of the entries that mail is forwarded to.",
        caption="Attributes: forwarding by name",
    )
    keep_copy: Text = option(
        "",
        "An attribute that is TRUE where the person gets forwarded mail too.",
        caption="Attribute: a copy stays with the person",
    )
    disabled_attribute: Text = option("", "An attribute that tells whether an account is disabled.")
    disabled_values: _Texts = option((), "Its values that mean that the account is disabled.")


@strict
@dataclass(frozen=True, slots=True)
class LdapRouting:
    """Recipients looked up in a directory. `password` holds the secret itself, resolved; files are absolute."""

    enabled: Flag = option(
        False, "Whether recipients are looked up in a directory.", label="Enable LDAP routing", tab=_TAB
    )
    servers: Annotated[tuple[DirectoryServer, ...], several(DIRECTORY_SERVER)] = option(
        (),
        "The directory's servers, as URLs, the preferred one first; empty: found by DNS.",
        label="Server",
        tab=_TAB,
        metabase="SmtpDsHost",
    )
    schema: Annotated[LdapSchema, choice(LdapSchema)] = option(
        LdapSchema.ACTIVE_DIRECTORY,
        "Where the directory keeps what is asked for.",
        label="Schema",
        tab=_TAB,
        metabase="SmtpDsSchemaType",
    )
    binding: Annotated[LdapBinding, choice(LdapBinding)] = option(
        LdapBinding.ANONYMOUS,
        "How Mailroot signs in to the directory.",
        label="Binding",
        tab=_TAB,
        metabase="SmtpDsBindType",
    )
    domain: Text = option(
        "",
        "The domain of the account; without servers, the domain whose directory is found by DNS.",
        label="Domain",
        tab=_TAB,
        metabase="SmtpDsDomain",
    )
    username: Text = option("", "The account to sign in with.", label="User name", tab=_TAB, metabase="SmtpDsAccount")
    password: Text = option(
        "",
        'The password, or the name of an environment variable that holds it, as "$NAME".',
        label="Password",
        tab=_TAB,
        metabase="SmtpDsPassword",
        secret=True,
    )
    password_file: File = option("", "A file that holds the password instead; its first line is taken.")
    password_without_tls: Flag = option(
        False, "Whether passwords may go over a connection without TLS, where everybody can read them."
    )
    keytab: File = option(
        "",
        "The file with the key of the service's account in Kerberos, for the binding `service-account`; "
        "empty: the tickets that the service's environment names.",
    )
    base: Text = option(
        "", "Where in the directory the search begins.", label="Base", tab=_TAB, metabase="SmtpDsNamingContext"
    )
    tls: Annotated[LdapTls, choice(LdapTls)] = option(
        LdapTls.VERIFY,
        "Whether connections are encrypted, by StartTLS or with ldaps:// from the beginning, and certificates checked.",
    )
    ca_file: File = option(
        "", "A PEM file with the authorities whose certificates are believed; empty: those of the system."
    )
    connections: Annotated[int, count(1, 100)] = option(
        4, "How many connections one worker has to the directory at most; many questions share one."
    )
    timeout: Duration = option(timedelta(seconds=10), "How long a connection or an answer may take.")
    rcpt_timeout: Duration = option(
        timedelta(seconds=3),
        "How long a client waits for the directory before its recipient is accepted and looked up later.",
        caption="Longest wait of a client at RCPT",
    )
    cache: Annotated[timedelta, duration(timedelta(0))] = option(
        timedelta(minutes=10),
        "How long an answer is believed; 0s: until the next question.",
        caption="Remember answers for",
    )
    negative_cache: Annotated[timedelta, duration(timedelta(0))] = option(
        timedelta(seconds=30),
        "How long it is believed that an address belongs to nobody.",
        caption="Remember unknown addresses for",
    )
    group_limit: Count = option(
        20_000,
        "How many recipients a group may have, with the groups in it; mail for a larger one is returned.",
        caption="Largest group",
    )
    refuse_disabled: Flag = option(
        True, "Whether mail for disabled accounts is refused.", caption="Refuse mail for disabled accounts"
    )
    custom: CustomSchema = section(CustomSchema, "Filters and attributes, with `schema` `custom`.")
