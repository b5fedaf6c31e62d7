"""The forms, line by line, against the samples of the predecessor's logs that were published (facts 6).

`golden/` has one dialogue in every form. The replies are as long as those of the samples.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroot import __version__
from mailroot.edge.protocollog.entry import Entry
from mailroot.edge.protocollog.forms import Form, IisForm, JsonForm, NcsaForm, Site, W3cForm
from mailroot.settings.log import FIELDS
from tests.edge.protocollog.talking import START, Client, Clock, Server, clock

GOLDEN = Path(__file__).parent / "golden"
SITE = Site("SMTPSVC1", "MEE-PDC", "default")
DEFAULT = ["date", "time", "c-ip", "cs-username", "cs-method", "cs-uri-query", "sc-status"]
FORMS: dict[str, Form] = {
    "w3c.log": W3cForm(FIELDS, SITE),
    "w3c-default.log": W3cForm(DEFAULT, SITE),
    "iis.log": IisForm(SITE),
    "ncsa.log": NcsaForm(),
    "json.log": JsonForm(SITE),
}


@pytest.fixture(autouse=True)
def mountain_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of the samples."""
    monkeypatch.setenv("TZ", "MST7MDT")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with clock(monkeypatch) as found:
        yield found


def sample(moment: Clock) -> list[Entry]:
    """The first session of the samples, and a relayed message."""
    client = Client(moment)
    client.answered("220 " + "x" * 70)
    client.says(b"HELO 36A42160", "250 " + "h" * 42)
    moment.now += 1
    client.says(b"MAIL FROM: <EldonpyzWestoncusk@sbcglobal.net>", "250 2.1.0 " + "s" * 45)
    client.says(b"RCPT TO: <pamb@meelift.com>", "250 2.1.5 " + "r" * 17)
    moment.now += 1.078
    client.says(b"DATA", "354 " + "d" * 30)
    moment.now += 1.922
    client.says(1399, "250 2.6.0 <4F5002F2.860022@web.de> " + "q" * 35)
    client.says(b"DATA", "354 " + "d" * 30)
    client.says(2413, "250 2.6.0 <MEE-PDCOURS00001e06@mee-pdc.meelift.com> " + "q" * 35)
    moment.now += 2.219
    client.says(b"QUIT", "221 " + "q" * 62)
    client.visit.end()
    server = Server(moment)
    server.hears(b"", "220 rly-yi06.mx.test ESMTP mail_relay; Wed, 11 Oct 2006 14:16:38 -0400")
    server.hears(b"EHLO mee-pdc.meelift.com\r\n", "250-rly-yi06.mx.test\n250 HELP")
    server.hears(b"MAIL FROM:<x@y.com> SIZE=1722\r\n", "250 OK")
    server.hears(b"RCPT TO:<a@mx.test>\r\n", '550 5.7.1 "a", \\ and "b" are not here', wait=0.016)
    server.hears(b"QUIT\r\n", "221 SERVICE CLOSING CHANNEL")
    return client.entries() + server.entries()


@pytest.mark.parametrize("name", FORMS)
def test_O02_each_form_is_as_it_was(name: str, moment: Clock) -> None:
    form = FORMS[name]
    header = form.header(START).replace(__version__, "VERSION")
    written = header + "".join(f"{line}\n" for line in form.lines(sample(moment)))
    if "MAILROOT_GOLDEN" in os.environ:
        (GOLDEN / name).write_text(written)
    assert written == (GOLDEN / name).read_text()


def test_the_published_lines_are_among_them() -> None:
    w3c, ncsa = (GOLDEN / "w3c.log").read_text(), (GOLDEN / "ncsa.log").read_text()
    head = "24.118.118.106 36A42160 SMTPSVC1 MEE-PDC 192.168.1.2 0"
    for line in (
        f"2006-10-09 05:00:15 {head} HELO - +36A42160 250 0 48 13 0 SMTP - - - -\n",
        f"2006-10-09 05:00:16 {head} MAIL - +FROM:+<EldonpyzWestoncusk@sbcglobal.net> 250 0 57 45 0 SMTP - - - -\n",
        f"2006-10-09 05:00:16 {head} RCPT - +TO:+<pamb@meelift.com> 250 0 29 27 0 SMTP - - - -\n",
        f"2006-10-09 05:00:19 {head} DATA - +<4F5002F2.860022@web.de> 250 0 108 1399 1922 SMTP - - - -\n",
        f"2006-10-09 05:00:21 {head} QUIT - 36A42160 240 6219 68 4 0 SMTP - - - -\n",
        " OutboundConnectionCommand SMTPSVC1 MEE-PDC - 25 MAIL - FROM:<x@y.com>+SIZE=1722 0 0 4 0 0 SMTP - - - -\n",
    ):
        assert line in w3c
    assert '"MAIL -?+FROM:+<EldonpyzWestoncusk@sbcglobal.net> SMTP" 250 57\n' in ncsa
    assert '"QUIT -?36A42160 SMTP" 240 68\n' in ncsa
    assert 'OutboundConnectionCommand [08/Oct/2006:23:00:21 -0600] "QUIT - SMTP" 0 4\n' in ncsa
    assert 'OutboundConnectionResponse [08/Oct/2006:23:00:21 -0600] "- -?250+OK SMTP" 0 6\n' in ncsa


def test_w3c_has_the_fields_that_were_chosen_in_their_order(moment: Clock) -> None:
    form = W3cForm(["sc-bytes", "cs-method", "cs-host"], SITE)
    assert form.header(START).endswith("#Fields: sc-bytes cs-method cs-host\n")
    assert form.line(sample(moment)[0]) == "48 HELO -"
    assert W3cForm(["cs-method"], SITE).line(sample(moment)[0]) == "HELO"
    assert W3cForm(["time-taken"], SITE).line(sample(moment)[3]) == "1922"
    odd = Site("100%s", "50 %(d) %(date)s date", "default")
    assert W3cForm(["s-sitename", "cs-version", "cs-host", "s-computername"], odd).line(sample(moment)[0]) == (
        "100%s SMTP - 50 %(d) %(date)s date"
    )


@pytest.mark.parametrize("name", FORMS)
def test_many_lines_are_those_of_each_entry_whatever_the_clock_does(name: str, moment: Clock) -> None:
    form, entries = FORMS[name], sample(moment)
    for several in (entries, entries[::-1], entries[:3] + entries[:3], entries[:1]):
        assert form.lines(several) == [form.line(entry) for entry in several]


def test_local_times_follow_the_zone(moment: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST-5:30")
    time.tzset()
    moment.now += 86_400 * 30
    entry = sample(moment)[0]
    assert "[08/Nov/2006:10:30:15 +0530]" in NcsaForm().line(entry)
    assert ", 11/8/06, 10:30:15, " in IisForm(SITE).line(entry)


def test_a_comma_does_not_end_a_field_of_iis(moment: Clock) -> None:
    client = Client(moment)
    client.answered("220 x")
    client.says(b"EHLO a,b", "250 OK")
    client.says(b'MAIL FROM:<"a,b"@c>', "250 OK")
    for entry in client.entries():
        line = IisForm(SITE).line(entry)
        assert line.count(",") == 15
        assert "%2C" in line


def test_a_bracket_in_a_name_does_not_begin_the_time_of_ncsa(moment: Clock) -> None:
    client = Client(moment)
    client.answered("220 x")
    client.says(b"EHLO [192.0.2.1]", "250 OK")
    (entry,) = client.entries()
    assert " - %5B192.0.2.1%5D [08/Oct/2006" in NcsaForm().line(entry)


def test_json_tells_command_and_reply_in_full(moment: Clock) -> None:
    client = Client(moment)
    client.answered("220 x")
    client.says("EHLO \u202e\x7f \xff".encode() + b"\xff\x00", "250-mail.test\n250 OK")
    (line,) = [JsonForm(SITE).line(entry) for entry in client.entries()]
    assert line.isascii() and line.isprintable()
    told = json.loads(line)
    assert told["command"] == "EHLO \u202e\x7f \xff\\xff\x00"
    assert told["reply"] == "250-mail.test\n250 OK"
    assert (told["time"], told["direction"], told["session"]) == ("2006-10-09T05:00:15.000Z", "in", "s1")
