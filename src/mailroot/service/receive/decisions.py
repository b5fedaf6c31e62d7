"""What is decided of a recipient and of a header: one function each, for live mail and for `mailroot explain`."""

from mailroot.mail.envelope import Recipient
from mailroot.mail.header import Stamped
from mailroot.mail.reply import REPLIES
from mailroot.policy.loop import may_hop
from mailroot.policy.recipient import Place, may_receive
from mailroot.policy.relay import RelayRight
from mailroot.policy.verdict import Refuse, Undecided, Verdict
from mailroot.service.rules import Rules


def decide_recipient(
    rules: Rules, right: RelayRight, recipient: Recipient
) -> tuple[Recipient, Place, Verdict | Undecided]:
    """The recipient with a domain, the place of that domain, and whether mail for it is taken."""
    if not recipient.address.domain:
        address = recipient.address.at(rules.domains.default)
        recipient = Recipient(address, recipient.notify, recipient.orcpt)
    place = rules.place(recipient.address.domain)
    return recipient, place, may_receive(recipient.address, place, right)


def decide_header(rules: Rules, stamped: Stamped) -> Refuse | None:
    """Why the header makes a message unacceptable; None where it does not."""
    if stamped.problem:
        return Refuse(REPLIES.bad_content(reason=stamped.problem), stamped.problem)
    verdict = may_hop(stamped.hops, rules.settings.delivery.hop_count)
    return verdict if isinstance(verdict, Refuse) else None
