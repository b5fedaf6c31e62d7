"""Addresses, domains and xtext as RFC 5321 section 4.1.2, RFC 6531 and RFC 3461 write them.

Text in, values out; a `Reply` where the text is refused. Not responsible for what an address means: `%`, `!`, a second
`@` are read as parts of the local part, so that `policy` can refuse them by name.
"""

import functools
import ipaddress
import re
from typing import NamedTuple

import idna

from mailroot.mail.address import Mailbox
from mailroot.mail.reply import REPLIES, Reply

# Characters above ASCII are those of RFC 6531; a surrogate stands for an octet that was not UTF-8.
_WIDE = r"\x80-\ud7ff\ue000-\U0010ffff"
_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_WIDE}-]+"
_QUOTED = rf'"(?:[ !#-\[\]-~{_WIDE}]|\\[ -~])*"'
# The underscore is no letter of a host name, but Windows domains have it.
_LABEL = rf"[A-Za-z0-9_{_WIDE}](?:[A-Za-z0-9_{_WIDE}-]{{0,61}}[A-Za-z0-9_{_WIDE}])?"

_LOCAL = re.compile(rf"{_ATOM}(?:[.@]{_ATOM})*")  # "@" as in <y@third@local.test>
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_ADDRESS = rf'(?P<quoted>{_QUOTED})(?:@(?P<domain>[^\s<>"@]+))?|(?P<plain>[^\s<>"]*)'
_ROUTE = r'(?:@[^\s:<>"@,]+(?:,@[^\s:<>"@,]+)*:)?'  # RFC 5321 appendix C: read, and forgotten
_PATH = re.compile(rf"<{_ROUTE}(?:{_ADDRESS})>")
# What nearly every path is: 64 octets of atoms, and labels; 256 octets in all are checked by hand.
_COMMON_PATH = re.compile(
    r"<([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@([A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*)>"
)
_BARE_ADDRESS = re.compile(_ADDRESS)
_XTEXT = re.compile(rf"(?:[!-*,-<>-~{_WIDE}]|\+[0-9A-F]{{2}})+")
_CONTROL_XTEXT = re.compile(r"\+(?:[01][0-9A-F]|7F)")

LOCAL_LIMIT = 64  # RFC 5321 section 4.5.3.1.1
DOMAIN_LIMIT = 255  # RFC 5321 section 4.5.3.1.2
PATH_LIMIT = 256  # RFC 5321 section 4.5.3.1.3, with its brackets

_INVALID: Reply = REPLIES.invalid_address()
_TOO_LONG: Reply = REPLIES.address_too_long()


class Path(NamedTuple):
    """A path and the text that followed it. `mailbox` is None for `<>`; `bracketed` is false for `a@b` alone."""

    mailbox: Mailbox | None
    rest: str
    bracketed: bool = True


def parse_path(text: str) -> Path | Reply:
    """The path at the beginning of `text`.

    Source routes are dropped. A local part keeps its quotes; an unquoted one may hold `@`: the last one parts it from
    the domain. The domain is "" where there is none and has no trailing dot. An address without brackets is taken up
    to the next blank, as the predecessor's manuals taught to type it.
    """
    common = _COMMON_PATH.match(text)
    if common is not None:
        local, domain = common.groups()
        if len(local) <= LOCAL_LIMIT and common.end() <= PATH_LIMIT:
            return Path(Mailbox(local, domain), text[common.end() :])
        return _TOO_LONG
    bracketed = text.startswith("<")
    found = (_PATH if bracketed else _BARE_ADDRESS).match(text)
    if found is None:
        return _INVALID
    quoted, domain, plain = found.groups()
    if quoted is not None:
        local, domain = quoted, domain or ""
    elif plain:
        local, at, domain = plain.rpartition("@")
        if not at:
            local, domain = domain, ""
        elif not domain:
            return _INVALID
    else:
        return Path(None, text[found.end() :]) if found[0] == "<>" else _INVALID
    mailbox = _mailbox(local, domain, quoted is not None)
    return mailbox if isinstance(mailbox, Reply) else Path(mailbox, text[found.end() :], bracketed)


def _mailbox(local: str, domain: str, quoted: bool) -> Mailbox | Reply:
    if _octets(local) > LOCAL_LIMIT or _octets(domain) > DOMAIN_LIMIT:
        return _TOO_LONG
    if _octets(local) + 1 + _octets(domain) + 2 > PATH_LIMIT:
        return _TOO_LONG
    if not quoted and not _LOCAL.fullmatch(local):
        return _INVALID
    if domain:
        known = parse_domain(domain)
        if known is None:
            return _INVALID
        domain = known
    return Mailbox(local, domain)


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogateescape"))


@functools.lru_cache(maxsize=4096)
def parse_domain(text: str) -> str | None:
    """A domain or an address literal without its trailing dot; None where it is neither."""
    if text.startswith("["):
        return text if _is_literal(text) else None
    if not _DOMAIN.fullmatch(text):
        return None
    domain = text.removesuffix(".")
    if not domain.isascii():
        try:
            idna.encode(domain, uts46=True)
        except idna.IDNAError:
            return None
    return domain


def _is_literal(text: str) -> bool:
    """Whether `text` is an address literal of IPv4 or IPv6 (RFC 5321 section 4.1.3); other kinds cannot be reached."""
    if not text.endswith("]"):
        return False
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(inner[5:])
            return "%" not in inner
        ipaddress.IPv4Address(inner)
    except ValueError:
        return False
    return True


def is_xtext(text: str) -> bool:
    """Whether `text` is xtext (RFC 3461 section 4) that hides no control character."""
    return _XTEXT.fullmatch(text) is not None and _CONTROL_XTEXT.search(text) is None
