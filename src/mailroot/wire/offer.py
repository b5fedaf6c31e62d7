"""What a server offers, and MAIL and RCPT as such a server understands them.

Not responsible for whether the server may have the message at all (`wire.transmit`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailroot.mail.address import Mailbox, domain_key
from mailroot.mail.envelope import Body, Envelope, Recipient


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers (RFC 5321 section 4.1.1.1). `size` is its largest message, 0: no limit, None: no SIZE."""

    extensions: Mapping[str, str] = field(default_factory=dict)
    pipelining: bool = False
    size: int | None = None
    eight_bit: bool = False
    binary: bool = False
    dsn: bool = False
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be sent in one transaction. `body` and `size` are those of the content as it will go out."""

    envelope: Envelope
    recipients: Sequence[tuple[int, Recipient]]
    body: Body
    size: int


def offer_of(lines: Sequence[str]) -> Offer:
    """The extensions that an EHLO reply lists; the first line names the server."""
    words = (line.split(None, 1) for line in lines[1:])
    extensions = {word[0].upper(): word[1] if len(word) > 1 else "" for word in words if word}
    return Offer(
        extensions=extensions,
        pipelining="PIPELINING" in extensions,
        size=_size(extensions.get("SIZE")),
        eight_bit="8BITMIME" in extensions,
        binary="BINARYMIME" in extensions and "CHUNKING" in extensions,
        dsn="DSN" in extensions,
        smtputf8="SMTPUTF8" in extensions,
    )


def _size(text: str | None) -> int | None:
    """RFC 1870 section 4: up to 20 digits; none, or what is no number, is no limit."""
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0


def mail_line(offer: Offer, mail: Mail) -> bytes:
    """MAIL with the parameters that the server knows."""
    envelope = mail.envelope
    words = [f"MAIL FROM:<{'' if envelope.sender is None else path(envelope.sender, offer)}>"]
    if offer.size is not None:
        words.append(f"SIZE={mail.size}")
    if offer.eight_bit and mail.body is not Body.SEVEN_BIT:
        words.append(f"BODY={mail.body.value}")
    if offer.smtputf8 and _is_international(mail):
        words.append("SMTPUTF8")
    if offer.dsn and envelope.ret is not None:
        words.append(f"RET={envelope.ret.value}")
    if offer.dsn and envelope.envid is not None:
        words.append(f"ENVID={envelope.envid}")
    return _line(words)


def _is_international(mail: Mail) -> bool:
    envelope = mail.envelope
    if envelope.smtputf8 or (envelope.sender is not None and not envelope.sender.ascii):
        return True
    return not all(recipient.address.ascii for _, recipient in mail.recipients)


def recipient_line(offer: Offer, recipient: Recipient) -> bytes:
    """RCPT with the parameters that the server knows."""
    words = [f"RCPT TO:<{path(recipient.address, offer)}>"]
    if offer.dsn and recipient.notify is not None:
        words.append(f"NOTIFY={recipient.notify.words}")
    if offer.dsn and recipient.orcpt is not None:
        words.append(f"ORCPT={recipient.orcpt}")
    return _line(words)


def path(mailbox: Mailbox, offer: Offer) -> str:
    """The address as this server may see it: a domain in its A-labels where SMTPUTF8 is not offered (RFC 5890)."""
    if offer.smtputf8 or mailbox.domain.isascii():
        return str(mailbox)
    return f"{mailbox.local}@{domain_key(mailbox.domain)}"


def _line(words: list[str]) -> bytes:
    line = " ".join(words)
    if "\r" in line or "\n" in line:
        raise ValueError(f"an address or parameter with a line end must never reach a command: {line!r}")
    return line.encode() + b"\r\n"
