"""What well-known providers mean by their refusals, and what mends them: one table, the first row that fits counts.

The texts that are looked for are those of the providers' public documentation and of replies seen. Not responsible for
what a reply does to a recipient (`wire.outcome`).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One known refusal: the beginning, or words, of the reply; what it means; what mends it."""

    provider: str
    words: re.Pattern[str]
    meaning: str
    mend: str


def _row(provider: str, words: str, meaning: str, mend: str) -> Refusal:
    return Refusal(provider, re.compile(words, re.IGNORECASE), meaning, mend)


_MICROSOFT, _GOOGLE, _ENTRA, _ANY = "Microsoft 365", "Google", "Microsoft Entra", "any server"

REFUSALS: tuple[Refusal, ...] = (
    # Microsoft 365: signing in
    _row(
        _MICROSOFT,
        r"^535 5\.7\.139 .*SmtpClientAuthentication is disabled for the Mailbox",
        "SMTP AUTH is switched off for this mailbox",
        "an Exchange administrator runs: Set-CASMailbox ACCOUNT -SmtpClientAuthenticationDisabled $false",
    ),
    _row(
        _MICROSOFT,
        r"^535 5\.7\.139 .*SmtpClientAuthentication is disabled",
        "SMTP AUTH is switched off for the whole organization",
        "switch it on for the one mailbox: Set-CASMailbox ACCOUNT -SmtpClientAuthenticationDisabled $false",
    ),
    _row(
        _MICROSOFT,
        r"^535 5\.7\.139 .*basic authentication is disabled|^550 5\.7\.30 ",
        "a password is not taken any more",
        'write authentication = "oauth2" and its oauth2 table',
    ),
    _row(
        _MICROSOFT,
        r"^535 5\.7\.139 .*(security defaults|locked by your organization)",
        "the security defaults of the organization forbid it",
        "use oauth2 with an application of its own, or let a Conditional Access rule take the place of the defaults",
    ),
    _row(
        _MICROSOFT,
        r"^535 5\.7\.139 .*did not meet the criteria",
        "a Conditional Access rule of the organization forbids it",
        "look at the account's sign-in log in Entra: it names the rule; let this server's address be an exception",
    ),
    _row(
        _MICROSOFT,
        r"^535 5\.7\.139 .*(credentials were incorrect|password)",
        "the account or its password is wrong",
        "check username and password; an account with a second factor needs oauth2",
    ),
    _row(
        _MICROSOFT,
        r"^535 5\.7\.3 Authentication unsuccessful",
        "the account, its password or its token was not taken",
        "check username and password; with oauth2, that the scope is https://outlook.office365.com/.default, that the "
        "application has SMTP.SendAsApp with consent, and that New-ServicePrincipal and Add-MailboxPermission gave it "
        "the mailbox",
    ),
    # Microsoft 365: sending
    _row(
        _MICROSOFT,
        r"^530 5\.7\.57 ",
        "nobody has signed in, and mail from nobody is not taken here",
        'write authentication = "oauth2" or "basic", and smart_host = "smtp.office365.com:587"',
    ),
    _row(
        _MICROSOFT,
        r"^55\d 5\.7\.60 |SendAsDenied|^55\d 5\.2\.252 ",
        "the account may not send with this sender's address",
        "send from the account's own address, or give it the right: Add-RecipientPermission SENDER -Trustee ACCOUNT "
        "-AccessRights SendAs",
    ),
    _row(
        _MICROSOFT,
        r"^55\d 5\.7\.64 ",
        "the organization has no connector that knows this server",
        "make an inbound connector of type on-premises with this server's address or certificate",
    ),
    _row(
        _MICROSOFT,
        r"^55\d 5\.7\.708 ",
        "mail from this address is not taken, mostly because the organization is new or the address has a bad name",
        "send from another address, or ask Microsoft's support to let this one in",
    ),
    _row(
        _MICROSOFT,
        r"^55\d 5\.7\.(60[6-9]|6[1-4]\d) |banned sending IP",
        "this server's address is on Microsoft's block list",
        "ask for its removal at https://sender.office.com",
    ),
    _row(
        _MICROSOFT,
        r"^55\d 5\.(1\.8|7\.50[1-3]) ",
        "the account is blocked, because it sent what looked like spam",
        "an administrator releases it under Restricted entities in the Defender portal",
    ),
    _row(
        _MICROSOFT,
        r"^432 4\.3\.2 |Concurrent connections limit exceeded",
        "there are more connections at a time than the mailbox may have",
        "write connection_limit_per_domain = 3, and less with several workers or servers",
    ),
    # Google
    _row(
        _GOOGLE,
        r"^534 5\.7\.9 .*Application-specific password",
        "the account has a second factor, so its own password is not taken",
        "make an app password for it, or use oauth2",
    ),
    _row(
        _GOOGLE,
        r"^534 5\.7\.(9|14) ",
        "Google wants the account to sign in with a browser first",
        "sign in once with a browser from this network, then make an app password, or use oauth2",
    ),
    _row(
        _GOOGLE,
        r"^535 5\.7\.8 .*(Username and Password not accepted|BadCredentials)",
        "the account or its password is wrong, or it is no app password",
        "make an app password for the account, or use oauth2",
    ),
    _row(
        _GOOGLE,
        r"^5\d\d 5\.7\.0 Authentication Required",
        "nobody has signed in",
        'write authentication = "basic" with an app password, or "oauth2"',
    ),
    _row(
        _GOOGLE,
        r"^5\d\d 5\.7\.1 .*Invalid credentials for relay",
        "the SMTP relay service of the organization does not know this server",
        "add its address under Apps > Google Workspace > Gmail > Routing > SMTP relay service, or sign in",
    ),
    _row(
        _GOOGLE,
        r"^[45]\d\d [45]\.7\.(26|27|30|32) ",
        "the sender's domain does not vouch for this server",
        "put this server into the domain's SPF record, or have the mail signed by DKIM",
    ),
    _row(
        _GOOGLE,
        r"^[45]\d\d [45]\.7\.25 ",
        "this server's address has no name in reverse DNS that leads back to it",
        "have the owner of the address set a PTR record, and an address record for that name",
    ),
    _row(
        _GOOGLE,
        r"^[45]\d\d [45]\.7\.29 ",
        "mail without TLS is not taken",
        'write tls = "require" or "verify"',
    ),
    _row(
        _GOOGLE,
        r"^550 5\.4\.5 |sending limit exceeded",
        "the account has sent as much as it may in a day",
        "wait a day, or use the SMTP relay service of Google Workspace",
    ),
    _row(
        _GOOGLE,
        r"^4\d\d 4\.7\.0 .*Too many login attempts",
        "there were too many sign-ins in a short time",
        "wait; raise messages.per_connection, so that there are fewer of them",
    ),
    # Microsoft Entra: the token endpoint
    _row(
        _ENTRA,
        r"AADSTS7000215",
        "the client secret is wrong",
        "write the secret's value, not its id, into oauth2.client_secret",
    ),
    _row(
        _ENTRA,
        r"AADSTS7000222",
        "the client secret has expired",
        "make a new one under Certificates & secrets of the application",
    ),
    _row(
        _ENTRA, r"AADSTS700016", "the application is not known in this tenant", "check oauth2.client_id and the tenant"
    ),
    _row(_ENTRA, r"AADSTS9000[12]\b|AADSTS900023", "there is no such tenant", "check the tenant in oauth2.token_url"),
    _row(
        _ENTRA,
        r"AADSTS(70011|1002012|500011)",
        "the scope is wrong",
        'write scope = "https://outlook.office365.com/.default"',
    ),
    _row(
        _ENTRA,
        r"AADSTS65001",
        "nobody has consented to the application",
        "an administrator grants consent under API permissions",
    ),
    _row(
        _ENTRA,
        r"AADSTS(70008|700082|50173)|invalid_grant",
        "the refresh token has expired or was revoked",
        "sign in again to get a new refresh token",
    ),
    _row(
        _ANY,
        r"invalid_client|unauthorized_client",
        "the endpoint does not know the client",
        "check oauth2.client_id and its secret",
    ),
    _row(_ANY, r"invalid_scope", "the scope is wrong", "check oauth2.scope"),
    # Any server
    _row(
        _ANY,
        r"^5\d\d (5\.7\.[01] )?.*must issue a STARTTLS",
        "mail without TLS is not taken",
        'write tls = "require" or "verify"',
    ),
    _row(_ANY, r"^538 ", "a password without TLS is not taken", 'write tls = "require" or "verify"'),
    _row(_ANY, r"^504 ", "the server does not know this way of signing in", "check what it offers; see the greeting"),
    _row(_ANY, r"^53[45] ", "the account or its password is wrong", "check username and password"),
    _row(_ANY, r"^454 ", "the server cannot check accounts now", "try again later"),
    _row(_ANY, r"^530 ", "the server wants somebody to sign in", 'write authentication = "basic" or "oauth2"'),
    _row(
        _ANY,
        r"^55\d (5\.7\.\d+ )?.*(relay|permission|not permitted|denied)",
        "the server does not take this mail from us",
        "have this server's address let in there, or sign in",
    ),
)


def known_refusal(text: str) -> Refusal | None:
    """What a reply, or an answer of a token endpoint, means; None where that is not known."""
    return next((row for row in REFUSALS if row.words.search(text)), None)
