"""The grammar of sendmail's options, as programs type them."""

import pytest

from mailroot.cli.sendmail.words import Deed, Misused, read
from mailroot.mail.envelope import Notify, Return


@pytest.mark.parametrize(
    ("typed", "sender", "recipients", "dot_ends"),
    [
        ("-i -f a@b.example x@y.example", "a@b.example", ["x@y.example"], False),  # mutt
        ("-oi -fa@b.example -- x@y.example -z@y.example", "a@b.example", ["x@y.example", "-z@y.example"], False),
        ("-FCronDaemon -i -B8BITMIME -oem root", None, ["root"], False),  # cron
        ("-t -i", None, [], False),  # PHP
        ("-ti", None, [], False),
        ("-bm -oem -om -odi -r a@b.example x", "a@b.example", ["x"], True),
        ("-f <> x", "", ["x"], True),
        ("-O IgnoreDots=True -OQueueDirectory=/x x", None, ["x"], False),
        ("-Ac -G -U -v -d0.1 -h 5 -L tag -p SMTP -X /log x", None, ["SMTP", "/log", "x"][2:], True),
    ],
)
def test_what_programs_type(typed, sender, recipients, dot_ends):
    order = read(typed.split())
    assert (order.sender, order.dot_ends) == (sender, dot_ends)
    assert [one for one in order.recipients if one != "SMTP"] == recipients


def test_the_wishes_of_dsn():
    order = read(["-N", "success,delay", "-R", "hdrs", "-V", "job 1+2=é", "x"])
    assert (order.notify, order.ret) == (Notify.SUCCESS | Notify.DELAY, Return.HEADERS)
    assert order.envid == "job+201+2B2+3D+C3+A9"
    assert read(["-N", "never"]).notify is Notify.NEVER


@pytest.mark.parametrize(
    ("words", "called", "deed"),
    [
        (["-bs"], "sendmail", Deed.TALK),
        (["-bp"], "sendmail", Deed.LIST),
        ([], "mailq", Deed.LIST),
        (["-bi"], "sendmail", Deed.NOTHING),
        ([], "newaliases", Deed.NOTHING),
        (["-q"], "sendmail", Deed.NOTHING),
        (["-q30m"], "sendmail", Deed.NOTHING),
        (["-bm"], "sendmail", Deed.SEND),
    ],
)
def test_deeds(words, called, deed):
    assert read(words, called).deed is deed


@pytest.mark.parametrize("words", [["-bd"], ["-N", "sometimes"], ["-R", "all"], ["-f"], ["-z"], ["-N", "never,delay"]])
def test_what_makes_no_sense_is_misused(words):
    with pytest.raises(Misused):
        read(words)
