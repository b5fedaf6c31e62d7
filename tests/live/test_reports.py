"""Who is told what: reports end to end, read as a mail program and as a person would."""

import contextlib
import json
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flufl.bounce import scan_message

from tests.live.outside import Outside, fields, outside, relaying, report, reports, text
from tests.live.running import Service, until
from tests.peers.smtp import EXTENSIONS, Peer

COPY = '[servers.default.messages]\nndr_copy_to = "copies@local.test"\n'
BODY = "Subject: lunch\r\n\r\nAt noon?\r\n"


@dataclass
class Site:
    """A service whose remote domains have servers of different kinds."""

    service: Service
    plain: Peer
    confirming: Peer
    refusing: Peer
    world: Outside

    def send(self, mail: str, *recipients: str, body: str = BODY) -> None:
        """One transaction; each of `mail` and `recipients` is an address in brackets with its parameters."""
        with self.service.connect() as client:
            client.ehlo("client.example")
            assert client.docmd("MAIL", f"FROM:{mail}")[0] == 250
            for recipient in recipients:
                assert client.docmd("RCPT", f"TO:{recipient}")[0] == 250
            assert client.data(body)[0] == 250

    def idle(self) -> None:
        until(lambda: not self.service.ask("queue", "list"), "an empty queue")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(outside())
        plain = world.enter(Peer(extensions=tuple(one for one in EXTENSIONS if one != "DSN")))
        confirming = world.enter(Peer())
        refusing = world.enter(
            Peer({"RCPT": "550 5.1.1 No such user here", "RCPT TO:<full@refusing.example>": "552 5.2.2 Mailbox full"})
        )
        routes = "".join(
            f'[servers.default.domains."{name}.example"]\ntype = "remote"\nroute = "[127.0.0.1]:{peer.port}"\n'
            for name, peer in (
                ("plain", plain),
                ("confirming", confirming),
                ("refusing", refusing),
                ("also", refusing),
            )
        )
        service = stack.enter_context(relaying(tmp_path_factory.mktemp("site"), more=COPY + routes))
        yield Site(service, plain, confirming, refusing, world)


def test_a_refusal_comes_back_in_words_that_a_person_understands(site: Site) -> None:
    site.send("<sender@local.test>", "<a@refusing.example>")
    told = report(site.service, "a@refusing.example")
    assert told["From"] == "postmaster@local.test" and told["To"] == "sender@local.test"
    assert told["Subject"] == "Delivery Status Notification (Failure)"
    said = " ".join(text(told).split())
    assert "Delivery to the following recipients failed. a@refusing.example" in said
    assert "Where: the mail server [127.0.0.1]" in said
    assert "What that server said: 550 5.1.1 No such user here" in said
    assert "What to do: Check how the address is written" in said
    facts = fields(told)
    assert facts["final-recipient"] == "rfc822;a@refusing.example"
    assert (facts["action"], facts["status"]) == ("failed", "5.1.1")
    assert facts["diagnostic-code"] == "smtp;550 5.1.1 No such user here"
    assert facts["received-from-mta"] == "dns;client.example"
    (quoted,) = told.get_payload()[2].get_payload()
    assert quoted["Subject"] == "lunch" and quoted.get_payload().strip() == "At noon?"


def test_programs_that_look_for_bounces_find_the_recipient(site: Site) -> None:
    site.send("<sender@local.test>", "<found@refusing.example>")
    assert scan_message(report(site.service, "found@refusing.example")) == {b"found@refusing.example"}


def test_J06_recipients_that_failed_together_share_a_report(site: Site) -> None:
    site.send("<sender@local.test>", "<b@refusing.example>", "<full@refusing.example>", "<c@plain.example>")
    told = report(site.service, "full@refusing.example")
    said = " ".join(text(told).split())
    assert "b@refusing.example" in said and "Mailbox full" in said and "c@plain.example" not in said
    assert [group["Status"] for group in told.get_payload()[1].get_payload()[1:]] == ["5.1.1", "5.2.2"]
    assert scan_message(told) == {b"b@refusing.example", b"full@refusing.example"}


def test_J05_the_sender_s_wishes_are_followed(site: Site) -> None:
    site.send(
        "<sender@local.test> RET=HDRS ENVID=QQ+2B314159",
        "<wish@refusing.example> NOTIFY=FAILURE ORCPT=rfc822;first+40other.example",
    )
    told = report(site.service, "wish@refusing.example")
    facts = fields(told)
    assert facts["original-envelope-id"] == "QQ+314159"
    assert facts["original-recipient"] == "rfc822;first@other.example"
    assert told.get_payload()[2].get_content_type() == "text/rfc822-headers"
    assert "At noon?" not in told.as_string()


def test_J03_nobody_is_told_who_never_wants_to_be(site: Site) -> None:
    site.send("<sender@local.test>", "<never@refusing.example> NOTIFY=NEVER")
    events = until(lambda: [e for e in site.service.events("not_reported") if "never@" in e["recipient"]], "the event")
    assert events[0]["cause"] == "The sender asked for no such report"
    site.idle()
    assert not reports(site.service, "never@refusing.example")


@pytest.mark.parametrize(
    ("recipient", "action", "words"),
    [
        ("ann@local.test", "delivered", "was delivered"),
        ("s@plain.example", "relayed", "does not confirm deliveries"),
    ],
)
def test_J04_success_is_confirmed_to_whom_asks(site: Site, recipient: str, action: str, words: str) -> None:
    site.send("<sender@local.test> RET=FULL", f"<{recipient}> NOTIFY=SUCCESS")
    told = report(site.service, recipient)
    assert fields(told)["action"] == action and fields(told)["status"].startswith("2.")
    assert words in " ".join(text(told).split())
    assert "At noon?" not in told.as_string()


def test_the_wishes_go_on_to_a_server_that_knows_them(site: Site) -> None:
    site.send(
        "<sender@local.test> RET=HDRS ENVID=E1",
        "<s@confirming.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y.example",
    )
    until(lambda: site.confirming.messages, "the message")
    (mail,) = [line for line in site.confirming.commands if line.startswith("MAIL")]
    (recipient,) = [line for line in site.confirming.commands if line.startswith("RCPT")]
    assert "RET=HDRS" in mail and "ENVID=E1" in mail
    assert "NOTIFY=SUCCESS,FAILURE" in recipient and "ORCPT=rfc822;x@y.example" in recipient
    site.idle()
    assert not reports(site.service, "s@confirming.example")


def test_an_operator_gets_a_copy_of_each_failure_report(site: Site) -> None:
    site.send("<sender@plain.example>", "<copied@refusing.example>")
    until(
        lambda: [m for m in site.plain.messages if b"rfc822;copied@refusing.example" in m], "the report at the sender"
    )
    assert report(site.service, "copied@refusing.example")["To"] == "sender@plain.example"
    to_operator = b"x-receiver: copies@local.test"
    until(lambda: [path for path in site.service.dropped() if to_operator in path.read_bytes()], "the copy")


def badmail(service: Service, about: str) -> dict[str, str] | None:
    """The files of the Badmail trio about a recipient, by their suffix."""
    for path in (service.home / "Badmail").glob("*.BDP"):
        if about in path.read_text() and path.with_suffix(".BAD").exists():
            return {one.suffix: one.read_text() for one in path.parent.glob(f"{path.stem}.*")}
    return None


def test_J01_mail_from_the_null_sender_that_fails_is_kept_in_badmail(site: Site) -> None:
    site.send("<>", "<null@refusing.example>")
    trio = until(lambda: badmail(site.service, "null@refusing.example"), "the Badmail files")
    assert set(trio) == {".BAD", ".BDR", ".BDP"}
    assert "At noon?" in trio[".BAD"]
    assert "null sender" in trio[".BDR"] and "550 5.1.1 No such user here" in trio[".BDR"]
    properties = json.loads(trio[".BDP"])
    assert properties["sender"] == "" or properties["sender"] == "<>"
    assert [one["address"] for one in properties["recipients"]] == ["null@refusing.example"]
    site.idle()
    assert not reports(site.service, "null@refusing.example")


def test_a_report_that_cannot_be_delivered_is_kept_in_badmail(site: Site) -> None:
    site.send("<nosender@refusing.example>", "<norecipient@refusing.example>")
    trio = until(lambda: badmail(site.service, "nosender@refusing.example"), "the Badmail files")
    assert "Delivery Status Notification (Failure)" in trio[".BAD"] and "norecipient@refusing.example" in trio[".BAD"]
    assert "nosender@refusing.example" in trio[".BDR"]
    site.idle()


def test_J09_a_storm_of_failures_does_not_become_a_storm_of_reports(site: Site) -> None:
    with smtplib.SMTP("127.0.0.1", site.service.port, timeout=120) as client:
        for number in range(120):
            client.sendmail("storm@plain.example", f"storm{number}@refusing.example", BODY)
    site.idle()
    told = [message for message in site.plain.messages if b"To: storm@plain.example" in message]
    assert len(told) == 100
    kept = [path for path in (site.service.home / "Badmail").glob("*.BDR") if "storm" in path.read_text()]
    assert len(kept) == 20
    assert len(until(lambda: site.service.events("report_storm"), "the event")) == 1


def test_failures_in_several_domains_share_a_report_that_belongs_to_the_message(site: Site) -> None:
    body = f"Message-ID: <o1@client.example>\r\n{BODY}"
    site.send("<sender@local.test>", "<r1@refusing.example>", "<ann@local.test>", "<r2@also.example>", body=body)
    told = report(site.service, "r2@also.example")
    groups = told.get_payload()[1].get_payload()[1:]
    assert sorted(group["Final-Recipient"] for group in groups) == [
        "rfc822;r1@refusing.example",
        "rfc822;r2@also.example",
    ]
    assert told["In-Reply-To"] == told["References"] == "<o1@client.example>"
    assert scan_message(told) == {b"r1@refusing.example", b"r2@also.example"}
    site.idle()
    assert len({one["Message-ID"] for one in reports(site.service, "r1@refusing.example")}) == 1, "one, and its copy"


def test_an_international_recipient_comes_back_in_its_own_letters(site: Site) -> None:
    with site.service.connect() as client:
        client.ehlo("client.example")
        assert client.docmd("MAIL", "FROM:<sender@local.test> SMTPUTF8 BODY=8BITMIME")[0] == 250
        client.send(
            "RCPT TO:<jürgen@refusing.example> NOTIFY=FAILURE ORCPT=utf-8;j\\x{FC}rgen@refusing.example\r\n".encode()
        )
        assert client.getreply()[0] == 250
        assert client.data("Subject: Grüße\r\n\r\nAt noon?\r\n".encode())[0] == 250
    told = until(lambda: reports(site.service, "jürgen@refusing.example"), "the report")[0]
    status = told.get_payload()[1]
    assert status.get_content_type() == "message/global-delivery-status"
    assert told.get_payload()[2].get_content_type() == "message/global"
    octets = b"".join(path.read_bytes() for path in site.service.dropped())
    assert "Original-Recipient: utf-8;jürgen@refusing.example\r\n".encode() in octets
    assert "Final-Recipient: utf-8;jürgen@refusing.example\r\n".encode() in octets
    assert "jürgen@refusing.example" in told.get_payload()[0].get_payload(decode=True).decode()
