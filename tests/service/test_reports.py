"""Who is told of what, and who cannot be."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Notify, Recipient, Return
from mailroot.mail.faults import Unavailable
from mailroot.mail.message import BytesContent
from mailroot.mail.report import Kind
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Origin, Pending, QueueEntry
from mailroot.queue.settle import Settled
from mailroot.service.report import reports
from mailroot.service.report.reports import Identity, Naming, Reported, Reporting, StormCap

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXPIRES = NOW + timedelta(days=2)
ALICE = Mailbox("alice", "example.org")
FAILED = Status(Disposition.FAILED, "5.1.1", "Unknown.", "550 5.1.1 Unknown", "mx.example.net")
DELAYED = Status(Disposition.DELAYED, "4.4.1", "No answer.")
DELIVERED = Status(Disposition.DELIVERED, "2.1.5")
RELAYED = Status(Disposition.RELAYED, "2.1.5", reply="250 ok", remote="mx.example.net")
TEXT = b"Subject: lunch\r\n\r\nAt noon?\r\n"


def reporting(limit: int = reports.REPORTS_PER_MINUTE, copy_to: Mailbox | None = None) -> Reporting:
    identity = Identity("mail.example.com", "example.com", copy_to, UTC)
    return Reporting(identity, Naming("0123456789ABCDEF", "A" * 19, itertools.count().__next__), StormCap(limit))


def pending(number: int = 0, notify: Notify | None = None, last: Status | None = None) -> Pending:
    return Pending(number, Recipient(Mailbox(f"r{number}", "example.net"), notify), NOW, last=last)


def entry(sender: Mailbox | None = ALICE, ret: Return | None = None, text: bytes = TEXT) -> QueueEntry:
    envelope = Envelope(sender, (), Body.SEVEN_BIT, ret=ret, envid="E1")
    return QueueEntry("k1", envelope, BytesContent(text), Origin("smtp", "client"), NOW, "<1@x>", ())


def final(*outcomes: tuple[Pending, Status]) -> Settled:
    return Settled("k1", outcomes, (), ())


def told(settled: Settled, about: QueueEntry | None = None) -> Reported:
    return reporting().reports_for(about or entry(), settled, NOW, lambda _: EXPIRES)


def kinds(reported: Reported) -> list[Kind]:
    return [made.kind for made in reported.made]


def text_of(reported: Reported, number: int = 0) -> bytes:
    return b"".join(reported.drafts[number].content.pieces())


def test_a_report_comes_from_the_null_sender_and_asks_for_none() -> None:
    (draft,) = told(final((pending(), FAILED))).drafts
    assert draft.envelope.sender is None
    assert draft.envelope.recipients == (Recipient(ALICE, Notify.NEVER),)
    assert draft.origin == Origin("report")
    assert draft.arrived == NOW
    assert message_from_bytes(b"".join(draft.content.pieces()))["Message-ID"] == draft.message_id


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        (None, [Kind.FAILURE]),
        (Notify.FAILURE, [Kind.FAILURE]),
        (Notify.FAILURE | Notify.DELAY, [Kind.FAILURE]),
        (Notify.SUCCESS, []),
        (Notify.DELAY, []),
        (Notify.NEVER, []),
    ],
)
def test_failures_are_reported_unless_the_sender_wants_none(notify: Notify | None, expected: list[Kind]) -> None:
    reported = told(final((pending(notify=notify), FAILED)))
    assert kinds(reported) == expected
    assert len(reported.unreported) == (not expected)
    assert reported.badmail == ()


def test_J03_never_means_no_report_and_a_cause_for_the_log() -> None:
    never = pending(notify=Notify.NEVER)
    reported = told(final((never, FAILED)))
    assert reported == Reported(unreported=((never, "The sender asked for no such report"),))


@pytest.mark.parametrize(
    ("notify", "expected"),
    [(None, [Kind.DELAY]), (Notify.DELAY, [Kind.DELAY]), (Notify.FAILURE, []), (Notify.NEVER, [])],
)
def test_delays_are_reported_where_asked_or_nothing_was_said(notify: Notify | None, expected: list[Kind]) -> None:
    waiting = pending(notify=notify, last=DELAYED)
    reported = told(Settled("k1", (), (waiting,), (waiting,)))
    assert kinds(reported) == expected
    if expected:
        assert b"\r\nWill-Retry-Until: Tue, 24 Nov 2026 12:00:00 +0000\r\n" in text_of(reported)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (DELIVERED, [Kind.SUCCESS]),
        (RELAYED, [Kind.RELAY]),
        (Status(Disposition.RELAYED, "2.1.5", dsn_passed_on=True), []),
        (Status(Disposition.EXPANDED, "2.1.5"), [Kind.EXPANSION]),
    ],
)
def test_J04_success_is_reported_once_where_asked_and_not_passed_on(status: Status, expected: list[Kind]) -> None:
    assert kinds(told(final((pending(notify=Notify.SUCCESS), status)))) == expected
    assert told(final((pending(), status))) == Reported()


@pytest.mark.parametrize("status", [FAILED, DELIVERED])
def test_J01_a_report_is_never_reported_on(status: Status) -> None:
    recipient = pending(notify=Notify.SUCCESS | Notify.FAILURE)
    reported = told(final((recipient, status)), entry(sender=None))
    assert reported.drafts == ()
    assert [lost.pending for lost in reported.badmail] == ([recipient] if status is FAILED else [])


def test_J06_only_the_failed_recipients_are_in_the_failure_report() -> None:
    waiting = pending(1, last=DELAYED)
    settled = Settled("k1", ((pending(0), DELIVERED), (pending(2), FAILED), (pending(3), FAILED)), (waiting,), ())
    reported = told(settled)
    assert [(made.kind, [one.number for one in made.about]) for made in reported.made] == [(Kind.FAILURE, [2, 3])]
    assert text_of(reported).count(b"Final-Recipient:") == 2


def test_J05_the_header_only_where_the_sender_wants_no_more() -> None:
    assert b"At noon" in text_of(told(final((pending(), FAILED))))
    assert b"At noon" not in text_of(told(final((pending(), FAILED)), entry(ret=Return.HEADERS)))


def test_a_large_message_is_read_to_the_limit_only() -> None:
    text = TEXT + b"x" * 2 * reports.QUOTED_LIMIT
    assert len(text_of(told(final((pending(), FAILED)), entry(text=text)))) < 4000


def test_a_copy_of_each_failure_report_goes_to_the_address_of_the_settings() -> None:
    admin = Mailbox("admin", "example.com")
    reported = reporting(copy_to=admin).reports_for(entry(), final((pending(), FAILED)), NOW, lambda _: EXPIRES)
    assert [draft.envelope.recipients[0].address for draft in reported.drafts] == [ALICE, admin]
    assert {draft.envelope.sender for draft in reported.drafts} == {None}
    assert text_of(reported, 0) == text_of(reported, 1)


def test_no_copy_of_what_is_no_failure_or_goes_there_anyway() -> None:
    waiting = pending(last=DELAYED)
    delay = Settled("k1", (), (waiting,), (waiting,))
    assert (
        len(reporting(copy_to=Mailbox("a", "b.example")).reports_for(entry(), delay, NOW, lambda _: EXPIRES).drafts)
        == 1
    )
    assert (
        len(reporting(copy_to=ALICE).reports_for(entry(), final((pending(), FAILED)), NOW, lambda _: EXPIRES).drafts)
        == 1
    )


def test_reports_have_names_of_their_own() -> None:
    maker = reporting()
    made = [maker.reports_for(entry(), final((pending(), FAILED)), NOW, lambda _: EXPIRES).drafts[0] for _ in range(50)]
    assert len({draft.message_id for draft in made}) == 50


def test_J09_a_storm_of_failures_ends_in_badmail_and_raises_one_alarm() -> None:
    maker = reporting(limit=100)
    results = [maker.reports_for(entry(), final((pending(), FAILED)), NOW, lambda _: EXPIRES) for _ in range(10_000)]
    assert sum(len(result.drafts) for result in results) == 100
    assert sum(len(result.badmail) for result in results) == 9_900
    assert [result.storm for result in results if result.storm] == ["alice@example.org"]


def test_J09_the_next_minute_is_a_new_one_and_other_senders_are_free() -> None:
    cap = StormCap(limit=1)
    later = NOW + timedelta(seconds=59)
    assert [cap.admit("a", NOW), cap.admit("a", later), cap.admit("a", later), cap.admit("b", later)] == [0, 1, 2, 0]
    assert cap.admit("a", NOW + timedelta(minutes=1)) == 0


def test_J09_the_memory_of_senders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_SENDERS", 3)
    cap = StormCap(limit=1)
    for sender in "abcdefgh":
        cap.admit(sender, NOW)
    assert len(cap._windows) == 3
    assert cap.admit("h", NOW) == 1


def test_another_programs_bounce_detector_finds_the_failed_recipient() -> None:
    bounce = pytest.importorskip("flufl.bounce")
    message = message_from_bytes(text_of(told(final((pending(), FAILED)))))
    assert bounce.all_failures(message) == (set(), {b"r0@example.net"})


class Damaged:
    """A content of which only the beginning can be read."""

    size = 4096
    in_memory = True

    def pieces(self) -> Iterator[bytes]:
        yield TEXT
        raise Unavailable("damaged")


def test_a_sender_is_told_even_where_the_message_cannot_be_read_whole() -> None:
    (draft,) = told(final((pending(), FAILED)), replace(entry(), content=Damaged())).drafts
    report = message_from_bytes(b"".join(draft.content.pieces()))
    assert [part.get_content_type() for part in report.get_payload()][:2] == ["text/plain", "message/delivery-status"]
    assert b"Subject: lunch" in bytes(report)
