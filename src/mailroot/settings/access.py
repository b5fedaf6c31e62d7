"""Options of the way in: who may connect, how clients sign in, who may relay (IIS: Access tab)."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from mailroot.settings.option import Applies, option, section, strict
from mailroot.settings.places import ADDRESS_ENTRY, AddressEntry
from mailroot.settings.spelling import Count, File, Flag, Text, choice, several

_CONTROL = "Access > Authentication"
_CONNECTION = "Access > Connection"
_RELAY = "Access > Relay"
_SESSIONS = Applies.NEW_SESSIONS


class ListMode(enum.Enum):
    """Whether a list names those who may, or those who may not."""

    ALL_EXCEPT = "all-except"
    ONLY = "only"


class TlsOffer(enum.Enum):
    """What is offered or asked of clients."""

    OFF = "off"
    OFFER = "offer"
    REQUIRE = "require"


class TlsVersion(enum.Enum):
    """Versions of TLS; those before 1.2 are broken (RFC 8996), and for devices that know no other."""

    TLS_1_0 = "1.0"
    TLS_1_1 = "1.1"
    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


_TLS = "Access > Secure communication"


class AccountSource(enum.Enum):
    """Who knows the accounts of those that sign in."""

    EMBEDDED = "embedded"
    PAM = "pam"
    NTLM_AUTH = "ntlm_auth"
    LDAP = "ldap"


_Entries = Annotated[tuple[AddressEntry, ...], several(ADDRESS_ENTRY)]


@strict
@dataclass(frozen=True, slots=True)
class AddressList:
    """Clients by address, network or domain name, and what being in the list means."""

    mode: Annotated[ListMode, choice(ListMode)] = option(
        ListMode.ALL_EXCEPT,
        "Whether only those in the list may connect, or all but them.",
        label="Only the list below / All except the list below",
        tab=_CONNECTION,
        metabase="IPSecurity",
        applies=_SESSIONS,
    )
    list: _Entries = option(
        (),
        "Addresses, networks and domain names of clients; a name holds for itself and all hosts below it.",
        label="Computers",
        tab=_CONNECTION,
        metabase="IPSecurity",
        applies=_SESSIONS,
    )


@strict
@dataclass(frozen=True, slots=True)
class Relay(AddressList):
    """Who may send mail to domains that are not ours."""

    mode: Annotated[ListMode, choice(ListMode)] = option(
        ListMode.ONLY,
        "Whether only those in the list may relay, or all but them.",
        label="Only the list below / All except the list below",
        tab=_RELAY,
        metabase="RelayIpList",
        applies=_SESSIONS,
    )
    list: _Entries = option(
        (),
        "Addresses, networks and domain names of clients; a name holds for itself and all hosts below it.",
        label="Computers",
        tab=_RELAY,
        metabase="RelayIpList",
        applies=_SESSIONS,
    )
    authenticated: Flag = option(
        True,
        "Whether clients that have signed in may relay, whatever the list says.",
        label="Allow all computers which successfully authenticate to relay, regardless of the list above",
        tab=_RELAY,
        metabase="RelayForAuth",
        applies=_SESSIONS,
    )


@strict
@dataclass(frozen=True, slots=True)
class NamedCertificate:
    """The certificate for clients that ask for one name. Both paths are absolute once the file was read."""

    certificate: File = option(
        "", "The certificate with its chain, a PEM file.", label="Certificate...", tab=_TLS, applies=_SESSIONS
    )
    key: File = option(
        "",
        "Its private key, a PEM file; empty: it is in the certificate's file.",
        label="Certificate...",
        tab=_TLS,
        applies=_SESSIONS,
    )


@strict
@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in, and how."""

    anonymous: Flag = option(
        True,
        "Whether clients may send without signing in.",
        label="Anonymous access",
        tab=_CONTROL,
        metabase="AuthFlags",
        applies=_SESSIONS,
    )
    basic: Flag = option(
        False,
        "Whether clients may sign in with name and password (AUTH PLAIN and LOGIN).",
        label="Basic authentication (password sent in clear text)",
        tab=_CONTROL,
        metabase="AuthFlags",
        applies=_SESSIONS,
    )
    basic_domain: Text = option(
        "",
        "The domain that is put before names without one.",
        label="Default domain",
        tab=_CONTROL,
        metabase="SaslLogonDomain",
        applies=_SESSIONS,
    )
    basic_requires_tls: Flag = option(
        True,
        "Whether passwords are taken on encrypted connections only.",
        label="Requires TLS encryption",
        tab=_CONTROL,
        metabase="AccessSSLFlags",
        applies=_SESSIONS,
    )
    user_in_received: Flag = option(
        False,
        "Whether Received names the account that a client has signed in to; every recipient can read it.",
        applies=_SESSIONS,
    )
    integrated: Flag = option(
        False,
        "Whether clients may sign in with their Windows account (AUTH GSSAPI and NTLM).",
        label="Integrated Windows Authentication",
        tab=_CONTROL,
        metabase="AuthFlags",
        applies=_SESSIONS,
    )
    accounts: Annotated[AccountSource, choice(AccountSource)] = option(
        AccountSource.EMBEDDED,
        "Who knows the accounts: a file of Mailroot's own, PAM, Samba by its program ntlm_auth, or the directory of "
        "`ldap_routing`.",
        applies=_SESSIONS,
        caption="Where accounts are kept",
    )
    account_file: File = option(
        "mailroot.accounts",
        "The file of the embedded accounts; several servers may share one.",
        applies=_SESSIONS,
    )
    cram_md5: Flag = option(
        False,
        "Whether basic includes CRAM-MD5; new embedded passwords are then kept in a form that lets in whoever "
        "reads it.",
        applies=_SESSIONS,
    )
    ntlm: Flag = option(
        True,
        "Whether integrated includes NTLM; new passwords of embedded accounts are then kept as NT hashes too.",
        metabase="NTAuthenticationProviders",
        applies=_SESSIONS,
        caption="Include NTLM",
    )
    extended_protection: Flag = option(
        False,
        "Whether NTLM must prove that nobody relays it, by a checksum, and inside TLS by a channel binding too.",
        applies=_SESSIONS,
        caption="Extended protection for NTLM",
    )
    ntlm_auth: File = option(
        "/usr/bin/ntlm_auth",
        'The program of Samba that knows the accounts of a domain, where `accounts` is "ntlm_auth".',
        applies=_SESSIONS,
        caption="Samba's program for Windows accounts",
    )
    keytab: File = option(
        "",
        "The file with the keys of this service in Kerberos, for AUTH GSSAPI; empty: there is no GSSAPI.",
        applies=_SESSIONS,
        caption="Kerberos key file (keytab)",
    )
    principal: Text = option(
        "",
        'The name of this service in Kerberos, "smtp/mail.example.com" perhaps; empty: any that has a key in `keytab`.',
        applies=_SESSIONS,
        caption="Kerberos name of this service",
    )
    guesses_per_address: Count = option(
        20,
        "How many failed sign-ins an hour one address may have before further ones are refused unseen; 0: no limit.",
        applies=_SESSIONS,
        caption="Failed sign-ins an hour by one address",
    )
    guesses_per_account: Count = option(
        100,
        "The same for one account, by all addresses but those that have signed in to it within a day; 0: no limit.",
        applies=_SESSIONS,
        caption="Failed sign-ins an hour for one account",
    )
    certificate: File = option(
        "",
        "The certificate with its chain, a PEM file; empty: one is made.",
        label="Certificate...",
        tab=_TLS,
        metabase="SSLCertHash",
        applies=_SESSIONS,
    )
    key: File = option(
        "",
        "The private key of the certificate, a PEM file; empty: it is in the certificate's file.",
        label="Certificate...",
        tab=_TLS,
        metabase="SSLCertHash",
        applies=_SESSIONS,
    )
    tls: Annotated[TlsOffer, choice(TlsOffer)] = option(
        TlsOffer.OFFER,
        "Whether STARTTLS is offered to clients, or asked of them.",
        label="Require secure channel",
        tab=_TLS,
        metabase="AccessSSLFlags",
        applies=_SESSIONS,
    )
    tls_minimum: Annotated[TlsVersion, choice(TlsVersion)] = option(
        TlsVersion.TLS_1_2,
        "The oldest version of TLS that is spoken with clients; below 1.2 old ciphers are allowed too.",
        applies=_SESSIONS,
        caption="Oldest TLS version",
    )
    tls_ciphers: Text = option(
        "",
        "The ciphers up to TLS 1.2, as OpenSSL lists them; empty: what is secure today.",
        applies=_SESSIONS,
    )
    names: Mapping[str, NamedCertificate] = section(
        dict, "Certificates for clients that ask for a name (SNI); all others get `certificate`."
    )
    connection: AddressList = section(AddressList, "Who may connect.")
    relay: Relay = section(Relay, "Who may relay; a remote domain with `relay` is open to all who may connect.")
