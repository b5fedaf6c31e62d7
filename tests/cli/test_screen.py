"""What is more than a line is shown below the facts, and no text of a stranger looks like one of our lines."""

import pytest

from mailroot.cli.screen import show_facts

MESSAGE = {
    "headers": [
        {"name": "Subject", "value": "Hello\x1b[2J", "raw": "=?utf-8?q?Hello?="},
        {"name": "To", "value": "", "raw": ""},
    ],
    "subject": "Hello",
    "text": "First.\nkey: forged\x1b[31m\n",
    "html": "",
    "parts": [{"part": "1", "type": "text/plain"}],
}


def test_a_message_is_shown_in_parts_as_its_reader_expects_them(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"key": "a1", "message": MESSAGE, "worker": {"number": 0}}, json_wanted=False)
    assert capsys.readouterr().out.split("\n\n") == [
        "key: a1\nworker: number=0",
        "message:\nsubject: Hello\nhtml: -",
        "headers:\n  Subject: Hello\\x1b[2J\n  To: -",
        "text:\n  First.\n  key: forged\\x1b[31m",
        "parts:\npart\ttype\n1\ttext/plain\n",
    ]


def test_in_json_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"message": MESSAGE}, json_wanted=True)
    assert '"raw": "=?utf-8?q?Hello?="' in capsys.readouterr().out
