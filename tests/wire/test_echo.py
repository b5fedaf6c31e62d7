"""A server that says our secrets back: nobody sees them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.reply import Reply
from mailroot.wire.echo import HIDDEN, Echo

PASSWORD = "correct horse battery"
RESPONSE = base64.b64encode(f"\0app\0{PASSWORD}".encode()).decode()


def told(line: str, *said: str, secrets: tuple[str, ...] = (PASSWORD,)) -> str:
    """What is seen of a reply with this line, after these lines of ours."""
    echo = Echo()
    echo.keep(*secrets)
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


@pytest.mark.parametrize("line", ["alice:s3cr", "'s3cr'!", "(S3CR)", "s3cr", "no: s3cr."])
def test_O06_a_short_password_is_hidden_where_it_stands_alone(line: str) -> None:
    assert "s3cr" not in told(line, secrets=("s3cr",)).lower()
    assert told("xs3cr s3crx", secrets=("s3cr",)) == "xs3cr s3crx"


def test_a_long_reply_costs_no_more_than_its_beginning() -> None:
    echo = Echo()
    echo.keep("x" * 16_000 + "y")
    seen = echo.hide(Reply(535, "5.7.8", ("abcdef " * 3_000,) * 100))
    assert len(seen.lines) == 10 and max(map(len, seen.lines)) == 500


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40), st.text(), st.text())
def test_O06_no_secret_is_ever_left(secret: str, before: str, behind: str) -> None:
    seen = told(f"{before}{secret}{behind}", secrets=(secret,))
    assert secret.lower() not in seen.replace(HIDDEN, "\n").lower()
