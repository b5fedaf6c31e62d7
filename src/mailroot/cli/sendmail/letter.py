"""A message as a program gives it to sendmail, made fit to be handed over: line ends, recipients, Bcc, From."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailroot.mail.address import Mailbox
from mailroot.mail.addresslist import listed, mailbox
from mailroot.mail.header import header_end

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)")
_BREAK = re.compile(rb"\r\n?|\n")
_TOLD = {b"to", b"cc", b"bcc"}
_SECRET = {b"bcc", b"resent-bcc"}
_SPECIALS = re.compile(r"[^A-Za-z0-9 !#$%&\'*+/=?^_`{|}~-]")


class Unaddressed(ValueError):
    """The message has no recipients, or one that is no address (EX_DATAERR, EX_USAGE)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is handed over. `content` has CRLF alone and ends with one."""

    sender: Mailbox | None
    recipients: tuple[Mailbox, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the command: the address that is his, and his name."""

    address: Mailbox
    name: str


def text_of(octets: bytes, dot_ends: bool) -> bytes:
    """The message with CRLF as its line ends, up to a line with a single dot where that ends it."""
    text = _BREAK.sub(b"\r\n", octets)
    if text.startswith((b"From ", b">From ")):  # the first line of a message in a mailbox file
        text = text.partition(b"\r\n")[2]
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    return _before_the_dot(text) if dot_ends else text


def _before_the_dot(text: bytes) -> bytes:
    if text.startswith(b".\r\n"):
        return b""
    end = text.find(b"\r\n.\r\n")
    return text if end < 0 else text[: end + 2]


def letter(text: bytes, named: Sequence[str], from_header: bool, sender: Mailbox | None, author: Account) -> Letter:
    """The letter in `text`, to those who are named and, with `from_header`, to those whom its header names.

    Bcc is taken out; a missing From is put in. Raises `Unaddressed`.
    """
    end = header_end(text)
    head, rest = text[:end], text[end:]
    fields = [(field[1].lower(), field[2], field[0]) for field in _FIELD.finditer(head)]
    recipients = _addresses(named)
    if from_header:
        recipients += _addresses(_told(fields))
        head = b"".join(whole for name, _, whole in fields if name not in _SECRET)
    if not recipients:
        raise Unaddressed("nobody is named as recipient")
    if all(name != b"from" for name, _, _ in fields):
        head += _from(author)
    separator = b"" if rest.startswith(b"\r\n") else b"\r\n"
    return Letter(sender, tuple(dict.fromkeys(recipients)), head + separator + rest)


def _told(fields: Sequence[tuple[bytes, bytes, bytes]]) -> list[str]:
    """The values of To, Cc and Bcc, or of their Resent- forms where there are any (RFC 5322 section 3.6.6)."""
    for prefix in (b"resent-", b""):
        wanted = {prefix + name for name in _TOLD}
        values = [value.replace(b"\r\n", b"").strip() for name, value, _ in fields if name in wanted]
        if values:
            return [value.decode("utf-8", "surrogateescape") for value in values]
    return []


def _addresses(texts: Sequence[str]) -> list[Mailbox]:
    found: list[Mailbox] = []
    for text in texts:
        addresses = listed(text)
        if addresses is None:
            raise Unaddressed(f"not an address: {text[:200]!a}")
        found += addresses
    return found


def address(text: str) -> Mailbox:
    """The address that was typed. Raises `Unaddressed`."""
    found = mailbox(text)
    if found is None:
        raise Unaddressed(f"not an address: {text[:200]!a}")
    return found


def _from(author: Account) -> bytes:
    name = "".join(sign for sign in author.name if sign.isprintable())
    if not name or not name.isascii():
        return f"From: {author.address}\r\n".encode()
    if _SPECIALS.search(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"From: {name} <{author.address}>\r\n".encode()
