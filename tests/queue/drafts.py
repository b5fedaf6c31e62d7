"""Drafts and moments for the tests of the queue."""

from datetime import UTC, datetime, timedelta

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Notify, Recipient, Return
from mailroot.mail.message import BytesContent, Content
from mailroot.queue.entry import Origin, SealedDraft

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """A clock that moves when it is told."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


def draft(
    *recipients: str,
    content: Content | None = None,
    claim: str | None = None,
    lease: bool = True,
    arrived: datetime = NOON,
) -> SealedDraft:
    """A draft for these recipients of example.net; one unless any is named."""
    named = tuple(Recipient(Mailbox(name, "example.net")) for name in recipients or ("ann",))
    envelope = Envelope(Mailbox("app", "example.com"), named)
    held = content if content is not None else BytesContent(b"Subject: hello\r\n\r\nHello.\r\n")
    origin = Origin("smtp", "client.example", "192.0.2.1", "s1")
    return SealedDraft(envelope, held, origin, arrived, "<1@example.com>", claim, lease)


def elaborate_draft() -> SealedDraft:
    """A draft that has everything that an envelope can have."""
    recipients = (
        Recipient(Mailbox('"o d d"', "example.net"), Notify.NEVER),
        Recipient(Mailbox("düsseldorf", "bücher.example"), Notify.SUCCESS | Notify.DELAY, "rfc822;b+2Bc@example.net"),
        Recipient(Mailbox("root\udcff\ud800", "")),
    )
    envelope = Envelope(None, recipients, Body.BINARY, True, Return.HEADERS, "QQ+2B314")
    return SealedDraft(
        envelope, BytesContent(bytes(range(256))), Origin("report"), NOON, "<2@example.com>", lease=False
    )
