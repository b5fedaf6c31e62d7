"""What explain says a sender is told of: what live mail tells, wishes of the client included."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Notify, Recipient
from mailroot.mail.status import Disposition, Status
from mailroot.service.explain.told import hears_of_delay, told_of_failure
from mailroot.service.rules import rules_of
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.virtualserver import VirtualServer
from tests.service.working import NOON

ANN = Mailbox("ann", "local.test")
RULES = rules_of("default", VirtualServer(home="/home", domains={"local.test": Domain(type=DomainType.DEFAULT)}))
FAILED = Status(Disposition.FAILED, "5.1.1", "There is none.")


@pytest.mark.parametrize(
    ("sender", "notify", "delay", "said"),
    [
        (ANN, None, True, ""),
        (ANN, Notify.FAILURE, False, ""),
        (ANN, Notify.DELAY, True, "The sender asked for no such report; if it failed, it would end without a report"),
        (ANN, Notify.NEVER, False, "The sender asked for no such report; if it failed, it would end without a report"),
        (
            None,
            Notify.FAILURE | Notify.DELAY,
            False,
            "The message has the null sender, so nobody can be told; if it failed, it would be put into Badmail",
        ),
    ],
)
def test_who_is_told(sender: Mailbox | None, notify: Notify | None, delay: bool, said: str) -> None:
    recipient = Recipient(Mailbox("bob", "far.example"), notify)
    assert hears_of_delay(RULES, sender, recipient, NOON) == delay
    told = told_of_failure(RULES, sender, recipient, FAILED, NOON)
    assert [step.cause for step in told.steps] == ([said] if said else [])
    assert ("What happened: There is none." in told.text) == (not said)
