"""How a trap is written."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.settings.trap import TRAP, Trap


@pytest.mark.parametrize(
    ("written", "trap"),
    [
        ("", None),
        ("capture", Trap(None)),
        ("you@example.com", Trap(Mailbox("you", "example.com"))),
        ("you@[192.0.2.1]", Trap(Mailbox("you", "[192.0.2.1]"))),
    ],
)
def test_a_trap_is_written_and_read(written, trap):
    assert TRAP.parse(written) == trap and TRAP.text(trap) == written


@pytest.mark.parametrize("written", ["true", True, "you", "a b@example.com", "you@", "<you@example.com>", "x\r\n@y.z"])
def test_what_is_no_trap(written):
    with pytest.raises(ValueError, match="capture"):
        TRAP.parse(written)
