"""A case by the Pickup folder: whoever may write there may send as anybody to anybody, so there is little to decide."""

from mailroot import __version__
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.header import Made, Trace, stamp
from mailroot.policy.chain import Finding, Step
from mailroot.policy.recipient import stamped_recipient
from mailroot.policy.sender import stamped_sender
from mailroot.policy.verdict import Accept
from mailroot.service.explain.case import Case
from mailroot.service.explain.rehearsal import SOME_MOMENT, Heard, Rehearsed
from mailroot.service.receive.decisions import decide_header
from mailroot.service.rules import Rules

_TRUSTED = Accept("whoever may write into Pickup may send to anybody")


def picked_up(rules: Rules, case: Case) -> Rehearsed:
    """What Pickup makes of the case."""
    default = rules.domains.default
    sender = stamped_sender(_mailbox(case.sender) if case.sender else None, default)
    result = Rehearsed(None, sender=sender, accepted=True)
    result.steps.append(Step("Pickup", Finding.HOLDS, "a file in Pickup is taken without asking who wrote it"))
    header = "".join(f"{line}\r\n" for line in case.headers).encode("utf-8", "surrogateescape") + b"\r\n"
    made = Made(SOME_MOMENT, str(sender or ""), "A" * 19, 0)
    stamped = stamp(header, Trace(rules.fqdn, __version__), made)
    result.hops = stamped.hops
    refuse = decide_header(rules, stamped)
    if refuse is not None:
        result.steps.append(Step("message", Finding.FAILS, refuse.cause))
        result.accepted, result.reply = False, f"put into Badmail: {refuse.cause}"
    result.heard = [_heard(rules, asked) for asked in case.recipients]
    return result


def _heard(rules: Rules, asked: str) -> Heard:
    address = _mailbox(asked)
    placed = address if address.domain else address.at(rules.domains.default)
    place = rules.place(placed.domain)
    return Heard(asked, "", _TRUSTED, stamped_recipient(Recipient(placed), place), place)


def _mailbox(text: str) -> Mailbox:
    local, at, domain = text.rpartition("@")
    return Mailbox(local, domain) if at else Mailbox(text, "")
