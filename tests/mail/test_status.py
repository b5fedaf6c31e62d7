"""What operators are shown of an outcome."""

import pytest

from mailroot.mail.status import Disposition, Status


@pytest.mark.parametrize(
    ("code", "reason", "reply", "words"),
    [
        ("5.1.1", "mx.test refused the message.", "550 5.1.1 No such user", "550 5.1.1 No such user"),
        ("4.4.1", "mx.test cannot be reached.", "", "mx.test cannot be reached."),
        ("4.7.8", "mx.test did not let us sign in.", "535 5.7.8 No", "mx.test did not let us sign in. 535 5.7.8 No"),
        ("4.4.7", "", "", "4.4.7"),
    ],
)
def test_a_reply_stands_alone_where_it_speaks_of_the_message(code: str, reason: str, reply: str, words: str) -> None:
    assert Status(Disposition.DELAYED, code, reason, reply).words == words
