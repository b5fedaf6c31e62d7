"""Our side of an SMTP session, run against lists of replies: no socket, no time."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Notify, Recipient, Return
from mailroot.mail.reply import Reply
from mailroot.mail.status import Disposition
from mailroot.wire.client import Outcome, Peer, Say, SendContent, greet, transact
from mailroot.wire.offer import Mail, Offer, offer_of
from mailroot.wire.replies import no_reply

PIPELINED = Offer(pipelining=True, size=0, eight_bit=True, dsn=True)


def replies(*texts):
    return [Reply(int(text[:3]), enhanced, (rest,)) for text, enhanced, rest in map(_cut, texts)]


def _cut(text):
    words = text.split(" ", 2)
    enhanced = words[1] if len(words) > 1 and words[1][:1].isdigit() and words[1].count(".") == 2 else ""
    return text, enhanced, words[-1] if len(words) > 1 else ""


def run(script, answers):
    """What the script wrote, and what it came to; each step takes one list of answers."""
    steps = []
    answers = list(answers)
    try:
        step = next(script)
        while True:
            steps.append(step)
            step = script.send(replies(*answers.pop(0)))
    except StopIteration as end:
        assert not answers, "the script left replies unread"
        return steps, end.value


def mail(count=1, sender="me@here.example", **envelope):
    recipients = tuple(Recipient(Mailbox(f"r{number}", "there.example")) for number in range(count))
    local, _, domain = sender.partition("@")
    return Mail(
        Envelope(Mailbox(local, domain) if sender else None, recipients, **envelope),
        list(enumerate(recipients)),
        envelope.get("body", Body.SEVEN_BIT),
        100,
    )


def peer(offer=PIPELINED, used=False):
    return Peer("mx.example", offer, used)


def dispositions(outcome: Outcome):
    return {number: (status.disposition.value, status.code) for number, status in outcome.statuses.items()}


def test_ehlo_follows_the_greeting_and_its_extensions_are_kept():
    script = greet("mx.example", "here.example", False)
    next(script)
    assert script.send(replies("220 hi")) == Say(b"EHLO here.example\r\n", 1, 300.0)
    with pytest.raises(StopIteration) as end:
        script.send([Reply(250, "", ("mx.example hello", "PIPELINING", "size 1000", "8BITMIME", "BINARYMIME"))])
    offer = end.value.value.offer
    assert (offer.pipelining, offer.size, offer.eight_bit, offer.binary, offer.dsn) == (True, 1000, True, False, False)


@pytest.mark.parametrize("refusal", ["500 what?", "502 no"])
def test_L07_refused_ehlo_is_followed_by_helo_without_extensions(refusal):
    steps, result = run(greet("mx", "here.example", False), [["220 hi"], [refusal], ["250 hello"]])
    assert steps[-1].octets == b"HELO here.example\r\n"
    assert result.offer == Offer()


def test_helo_alone_where_the_domain_asks_for_it():
    steps, _ = run(greet("mx", "here.example", True), [["220 hi"], ["250 hello"]])
    assert [step.octets for step in steps] == [b"", b"HELO here.example\r\n"]


@pytest.mark.parametrize("greeting", ["554 no service", "421 later", "250 odd"])
def test_L06_a_greeting_that_is_not_220_is_the_answer(greeting):
    _, result = run(greet("mx", "here.example", False), [[greeting]])
    assert result.code == int(greeting[:3])


def test_a_temporary_refusal_of_ehlo_is_not_followed_by_helo():
    _, result = run(greet("mx", "here.example", False), [["220 hi"], ["451 later"]])
    assert result.code == 451


@pytest.mark.parametrize("size", ["", "0", "99999999999999999999999", "-1", "x"])
def test_size_without_a_sensible_number_is_no_limit(size):
    assert offer_of(("mx", f"SIZE {size}")).size == 0


def test_a_pipelining_server_gets_the_envelope_in_one_write():
    steps, outcome = run(transact(peer(), mail(2)), [["250 ok", "250 ok", "250 ok", "354 go"], ["250 2.6.0 done"]])
    assert steps[0].octets == (
        b"MAIL FROM:<me@here.example> SIZE=100\r\nRCPT TO:<r0@there.example>\r\nRCPT TO:<r1@there.example>\r\nDATA\r\n"
    )
    assert steps[1] == SendContent(b"", True, 600.0)
    assert dispositions(outcome) == {0: ("relayed", "2.6.0"), 1: ("relayed", "2.6.0")}


def test_a_plain_server_is_told_one_command_at_a_time():
    steps, _ = run(transact(peer(Offer()), mail()), [["250 ok"], ["250 ok"], ["354 go"], ["250 done"]])
    said = [step.octets for step in steps[:-1]]
    assert said == [b"MAIL FROM:<me@here.example>\r\n", b"RCPT TO:<r0@there.example>\r\n", b"DATA\r\n"]


def test_the_next_message_begins_with_rset_and_no_second_ehlo():
    answers = [["250 reset", "250 ok", "250 ok", "354 go"], ["250 done"]]
    steps, outcome = run(transact(peer(used=True), mail()), answers)
    assert steps[0].octets.startswith(b"RSET\r\nMAIL FROM:")
    assert not outcome.stale


@pytest.mark.parametrize("offer", [PIPELINED, Offer()])
def test_L22_a_failing_rset_poisons_the_connection_and_nothing_is_sent(offer):
    pipelined = ["500 what", "250 ok", "250 ok", "354 go"]
    one = peer(offer, used=True)
    steps, outcome = run(transact(one, mail()), [pipelined if offer.pipelining else pipelined[:1]])
    assert outcome.stale and not one.usable and len(steps) == 1


def test_L22_a_server_that_wants_a_message_whose_sender_it_refused_gets_no_further_command():
    one = peer()
    steps, outcome = run(transact(one, mail()), [["451 4.3.2 busy", "250 ok", "354 go"]])
    assert len(steps) == 1 and not one.usable
    assert outcome.busy and outcome.elsewhere and not outcome.stale


def test_a_server_that_would_not_begin_for_now_is_busy_and_one_that_refuses_for_good_is_not():
    closed = ["503 no", "503 no"]
    busy = run(transact(peer(), mail()), [["451 4.3.2 busy", *closed]])[1]
    refused = run(transact(peer(), mail()), [["550 5.7.1 no", *closed]])[1]
    assert (busy.busy, refused.busy) == (True, False)


def test_L08_each_recipient_has_its_own_answer():
    answers = [["250 ok", "250 ok", "450 4.2.1 later", "550 5.1.1 nobody", "354 go"], ["250 2.0.0 done"]]
    _, outcome = run(transact(peer(), mail(3)), answers)
    assert dispositions(outcome) == {0: ("relayed", "2.0.0"), 1: ("delayed", "4.2.1"), 2: ("failed", "5.1.1")}
    assert outcome.statuses[2].reply == "550 5.1.1 nobody"
    assert not outcome.elsewhere


def test_with_no_recipient_left_an_invitation_is_answered_by_an_empty_message():
    steps, outcome = run(transact(peer(), mail()), [["250 ok", "550 5.1.1 no", "354 go"], ["554 none"]])
    assert steps[1] == Say(b".\r\n", 1, 600.0)
    assert dispositions(outcome) == {0: ("failed", "5.1.1")}


def test_without_pipelining_data_is_not_said_for_nobody():
    steps, _ = run(transact(peer(Offer()), mail()), [["250 ok"], ["550 no"]])
    assert len(steps) == 2


def test_a_refused_sender_is_the_answer_for_everybody_whatever_follows():
    answers = [["550 5.7.1 not you", "503 5.5.1 what", "503 5.5.1 what", "503 5.5.1 what"]]
    _, outcome = run(transact(peer(), mail(2)), answers)
    assert dispositions(outcome) == {0: ("failed", "5.7.1"), 1: ("failed", "5.7.1")}
    assert not outcome.elsewhere


def test_L20_a_temporary_refusal_of_all_may_go_elsewhere():
    _, outcome = run(transact(peer(), mail()), [["450 4.7.1 later", "503 what", "503 what"]])
    assert outcome.elsewhere
    _, outcome = run(transact(peer(), mail()), [["250 ok", "450 4.7.1 grey", "503 what"]])
    assert outcome.elsewhere


def test_L20_a_temporary_refusal_of_the_content_stays_here():
    _, outcome = run(transact(peer(), mail()), [["250 ok", "250 ok", "354 go"], ["451 4.3.0 later"]])
    assert dispositions(outcome) == {0: ("delayed", "4.3.0")} and not outcome.elsewhere


@pytest.mark.parametrize("refusal", ["452 4.5.3 too many", "452 too many", "552 5.5.3 too many"])
def test_recipients_beyond_the_servers_number_follow_in_a_further_transaction(refusal):
    answers = [
        ["250 ok", "250 ok", refusal, refusal, "354 go"],
        ["250 2.0.0 first"],
        ["250 reset", "250 ok", "250 ok", "250 ok", "354 go"],
        ["250 2.0.0 second"],
    ]
    steps, outcome = run(transact(peer(), mail(3)), answers)
    assert [status.reply for _, status in sorted(outcome.statuses.items())] == [
        "250 2.0.0 first",
        "250 2.0.0 second",
        "250 2.0.0 second",
    ]
    assert b"r0@" not in steps[2].octets


def test_recipients_beyond_the_number_wait_when_none_was_taken():
    _, outcome = run(transact(peer(), mail()), [["250 ok", "452 4.5.3 too many", "503 none"]])
    assert dispositions(outcome) == {0: ("delayed", "4.5.3")}


def test_a_full_disk_at_the_other_side_is_not_too_many_recipients():
    answers = [["250 ok", "250 ok", "452 4.3.1 full", "354 go"], ["250 2.0.0 done"]]
    _, outcome = run(transact(peer(), mail(2)), answers)
    assert outcome.statuses[1].code == "4.3.1"


def test_a_lost_connection_delays_those_that_had_no_final_answer():
    lost = no_reply("4.4.2", "the connection was dropped")
    one = peer()
    script = transact(one, mail(3))
    next(script)
    with pytest.raises(StopIteration) as end:
        script.send([*replies("250 ok", "550 5.1.1 nobody"), lost, lost, lost])
    outcome = end.value.value
    assert dispositions(outcome) == {0: ("failed", "5.1.1"), 1: ("delayed", "4.4.2"), 2: ("delayed", "4.4.2")}
    assert outcome.statuses[1].reply == "" and not one.usable


def test_a_lost_connection_on_reuse_is_stale_and_says_nothing_of_the_recipients():
    script = transact(peer(used=True), mail())
    next(script)
    with pytest.raises(StopIteration) as end:
        script.send([no_reply("4.4.2", "gone")] * 4)
    assert end.value.value.stale


def test_data_that_is_neither_invited_nor_refused_is_a_broken_protocol():
    one = peer()
    _, outcome = run(transact(one, mail()), [["250 ok", "250 ok", "250 queued already"]])
    assert dispositions(outcome) == {0: ("delayed", "4.5.0")} and not one.usable


def test_binary_content_goes_in_a_chunk():
    offer = Offer(pipelining=True, eight_bit=True, binary=True)
    steps, outcome = run(transact(peer(offer), mail(body=Body.BINARY)), [["250 ok", "250 ok"], ["250 2.0.0 done"]])
    assert b"BODY=BINARYMIME" in steps[0].octets and b"DATA" not in steps[0].octets
    assert steps[1] == SendContent(b"BDAT 100 LAST\r\n", False, 600.0)
    assert outcome.statuses[0].disposition is Disposition.RELAYED


def test_dsn_parameters_go_only_to_a_server_that_offers_dsn():
    recipient = Recipient(Mailbox("a", "there.example"), Notify.SUCCESS | Notify.DELAY, "rfc822;o@x.example")
    envelope = Envelope(None, (recipient,), ret=Return.HEADERS, envid="E+2D1")
    letter = Mail(envelope, [(0, recipient)], Body.SEVEN_BIT, 5)
    said = next(transact(peer(Offer(pipelining=True, dsn=True)), letter)).octets
    assert said == (
        b"MAIL FROM:<> RET=HDRS ENVID=E+2D1\r\n"
        b"RCPT TO:<a@there.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@x.example\r\nDATA\r\n"
    )
    said = next(transact(peer(Offer(pipelining=True)), letter)).octets
    assert said == b"MAIL FROM:<>\r\nRCPT TO:<a@there.example>\r\nDATA\r\n"


def test_notify_never_is_passed_on():
    recipient = Recipient(Mailbox("a", "there.example"), Notify.NEVER)
    letter = Mail(Envelope(None, (recipient,)), [(0, recipient)], Body.SEVEN_BIT, 5)
    assert b"NOTIFY=NEVER" in next(transact(peer(), letter)).octets


def test_an_international_domain_goes_as_a_labels_to_a_server_without_smtputf8():
    recipient = Recipient(Mailbox("a", "bücher.example"))
    letter = Mail(Envelope(None, (recipient,)), [(0, recipient)], Body.SEVEN_BIT, 5)
    assert b"<a@xn--bcher-kva.example>" in next(transact(peer(), letter)).octets
    said = next(transact(peer(Offer(pipelining=True, smtputf8=True)), letter)).octets
    assert "a@bücher.example".encode() in said and b" SMTPUTF8\r\n" in said


def test_an_address_with_a_line_end_never_becomes_a_command():
    recipient = Recipient(Mailbox("a>\r\nDATA\r\n", "there.example"))
    with pytest.raises(ValueError, match="line end"):
        next(transact(peer(), Mail(Envelope(None, (recipient,)), [(0, recipient)], Body.SEVEN_BIT, 5)))


def test_a_promise_to_report_is_kept_only_where_the_message_was_taken():
    _, outcome = run(transact(peer(), mail()), [["250 ok", "250 ok", "354 go"], ["250 done"]])
    assert outcome.statuses[0].dsn_passed_on
    _, outcome = run(transact(peer(), mail()), [["250 ok", "250 ok", "354 go"], ["554 spam"]])
    assert not outcome.statuses[0].dsn_passed_on
