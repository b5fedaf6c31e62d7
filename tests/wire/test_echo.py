"""A server that says our secrets back: nobody sees them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.reply import Reply
from mailroot.wire.echo import HIDDEN, Echo
from mailroot.wire.replies import no_reply

PASSWORD = "correct horse battery"
RESPONSE = base64.b64encode(f"\0app\0{PASSWORD}".encode()).decode()


def told(line: str, *said: str, secrets: tuple[str, ...] = (PASSWORD,)) -> str:
    """What is seen of a reply with this line, after these lines of ours."""
    echo = Echo(secrets)
    for one in said:
        echo.said(one.encode() + b"\r\n")
    return echo.hide(Reply(535, "5.7.8", (line,))).lines[0]


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (f"bad credentials: AUTH PLAIN {RESPONSE}", f"bad credentials: AUTH PLAIN {HIDDEN}"),
        (f"no: <{RESPONSE.rstrip('=')}>", f"no: <{HIDDEN}>"),
        (f'not "{RESPONSE[:20]}..."', f"not {HIDDEN}"),
        (f"AUTH PLAIN {RESPONSE}".upper(), f"AUTH PLAIN {HIDDEN}"),
        (f"wrong password {PASSWORD} for app", f"wrong password {HIDDEN} for app"),
        ("wrong password battery", f"wrong password {HIDDEN}"),
        ("Authentication unsuccessful", "Authentication unsuccessful"),
        ("user app: the account is locked", "user app: the account is locked"),
    ],
)
def test_O06_what_a_server_says_back_of_a_sign_in_is_hidden(line: str, seen: str) -> None:
    assert told(line, f"AUTH PLAIN {RESPONSE}") == seen


def test_O06_responses_and_short_passwords_are_hidden_too() -> None:
    password = base64.b64encode(b"secret").decode()
    assert told(f"who is {password}?", "AUTH LOGIN", "YXBw", password) == f"who is {HIDDEN}?"
    assert told("abc is wrong, not abcd", secrets=("abc", "")) == f"{HIDDEN} is wrong, not abcd"
    assert told("nothing was said") == "nothing was said"


def test_challenges_and_replies_that_never_came_stay_as_they_are() -> None:
    echo = Echo((PASSWORD,))
    for reply in (Reply(334, "", (PASSWORD,)), no_reply("4.4.2", PASSWORD)):
        assert echo.hide(reply) is reply


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40), st.text(), st.text())
def test_O06_no_secret_is_ever_left(secret: str, before: str, behind: str) -> None:
    seen = told(f"{before}{secret}{behind}", secrets=(secret,))
    assert secret.lower() not in seen.replace(HIDDEN, "\n").lower()
