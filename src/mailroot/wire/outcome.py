"""What a reply means for a recipient."""

from mailroot.mail.reply import Reply
from mailroot.mail.status import Disposition, Status
from mailroot.wire.replies import NoReply

_DISPOSITIONS = {2: Disposition.RELAYED, 4: Disposition.DELAYED, 5: Disposition.FAILED}

# RFC 5248 section 2.4 gives the enhanced codes that go with basic ones; where it leaves a choice, the vaguer one.
_ENHANCED = {
    421: "4.3.2",
    450: "4.2.1",
    451: "4.3.0",
    452: "4.3.1",
    454: "4.7.0",
    500: "5.5.2",
    501: "5.5.4",
    502: "5.5.1",
    503: "5.5.1",
    504: "5.5.4",
    530: "5.7.0",
    550: "5.1.1",
    551: "5.1.6",
    552: "5.2.2",
    553: "5.1.3",
    555: "5.5.4",
}

_SENTENCES = {
    Disposition.RELAYED: "{remote} took the message.",
    Disposition.DELAYED: "{remote} did not take the message for now.",
    Disposition.FAILED: "{remote} refused the message.",
}


def status_of(reply: Reply, remote: str, dsn_passed_on: bool = False) -> Status:
    """The status that a final reply gives a recipient.

    A reply that fits nowhere in the protocol is a delay, not a failure: it says nothing about the recipient.
    `dsn_passed_on` counts only where the message was taken.
    """
    if isinstance(reply, NoReply):
        return Status(Disposition.DELAYED, reply.enhanced, f"{remote}: {reply.lines[0]}.", remote=remote)
    disposition = _DISPOSITIONS.get(reply.code // 100)
    if disposition is None:
        return Status(Disposition.DELAYED, "4.5.0", f"{remote} broke the protocol.", reply.text, remote)
    return Status(
        disposition,
        reply.enhanced or _ENHANCED.get(reply.code) or f"{reply.code // 100}.0.0",
        _SENTENCES[disposition].format(remote=remote),
        reply.text,
        remote,
        dsn_passed_on and disposition is Disposition.RELAYED,
    )
