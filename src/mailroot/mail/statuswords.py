"""What enhanced status codes mean, in words for the person whose message it was: what happened, and what to do.

Not responsible for whose server it was (`mail.report` says that). One row a code, by its subject and detail (RFC 3463
section 3, and the registry of RFC 5248); what is not in the table is told by its subject.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """`meaning` is a sentence; `advice` says who can do something about it, and what."""

    meaning: str
    advice: str


_ADDRESS = "Check how the address is written; if it is right, ask the recipient by another way."
_LATER = "Try again later, or tell the recipient by another way."
_OWN_ADMINISTRATOR = "Show this report to your administrator."
_THEIRS = "Ask the administrator of the server that refused it, and show this report."
_TO_ADMINISTRATORS = "Try again later. If that fails, show this report to your administrator."
_SMALLER = "Send it in parts, or put the attachment where it can be fetched."

_TABLE = {
    "1.": Words("Something is wrong with the address.", _ADDRESS),
    "1.0": Words("Something is wrong with the address.", _ADDRESS),
    "1.1": Words("There is no mailbox by that name.", _ADDRESS),
    "1.2": Words("There is no such domain, or it has no mail server.", _ADDRESS),
    "1.3": Words("The address is not written as addresses are.", _ADDRESS),
    "1.4": Words("The address fits several mailboxes.", "Ask the recipient for an address that is theirs alone."),
    "1.6": Words("The mailbox has moved, and mail is not sent after it.", "Ask the recipient for the new address."),
    "1.7": Words("The sender's address is not written as addresses are.", _OWN_ADMINISTRATOR),
    "1.8": Words("The sender's domain is not known, or cannot be answered.", _OWN_ADMINISTRATOR),
    "1.9": Words("The message was sent on to a server that does not report about it.", "Nothing needs to be done."),
    "1.10": Words("The domain says that it takes no mail at all.", _ADDRESS),
    "2.": Words("The mailbox cannot take the message.", "Tell the recipient by another way."),
    "2.0": Words("The mailbox cannot take the message.", "Tell the recipient by another way."),
    "2.1": Words("The mailbox takes no mail.", "Tell the recipient by another way."),
    "2.2": Words("The mailbox is full.", _LATER),
    "2.3": Words("The message is larger than the mailbox takes.", _SMALLER),
    "2.4": Words("The distribution list could not be read.", "Tell the administrator of the list."),
    "3.": Words("The mail system had a fault.", _TO_ADMINISTRATORS),
    "3.1": Words("The mail system has no room left.", _LATER),
    "3.2": Words("The mail system takes no mail at present.", _LATER),
    "3.3": Words("The mail system cannot do what the message needs.", _OWN_ADMINISTRATOR),
    "3.4": Words("The message is too large for the mail system.", _SMALLER),
    "3.5": Words("The mail system is not set up as it should be.", _TO_ADMINISTRATORS),
    "4.": Words(
        "The mail server could not be found or reached.", "Check the domain of the address, or try again later."
    ),
    "4.1": Words("The mail server does not answer.", "Check the domain of the address, or try again later."),
    "4.2": Words("The connection to the mail server was broken off.", _TO_ADMINISTRATORS),
    "4.3": Words("A directory that had to be asked gave no answer, such as that of domain names.", _TO_ADMINISTRATORS),
    "4.4": Words("There is no way to the mail server of the domain.", _ADDRESS),
    "4.5": Words("The mail system is overloaded.", _LATER),
    "4.6": Words("The mail systems send the message in a circle.", _OWN_ADMINISTRATOR),
    "4.7": Words(
        "The time that a message may wait is over.",
        "Check the domain of the address, or try again later. If that fails, show this to your administrator.",
    ),
    "5.": Words("The mail servers did not understand each other.", _OWN_ADMINISTRATOR),
    "5.3": Words("The message has more recipients than the server takes at once.", "Send it to fewer at a time."),
    "6.": Words("The message has a form that the server does not take.", _OWN_ADMINISTRATOR),
    "6.1": Words("The server does not take this kind of content.", "Send the content in another form."),
    "6.2": Words("The content would have to be converted, which is not allowed.", _OWN_ADMINISTRATOR),
    "6.3": Words("The content would have to be converted, and cannot be.", "Send the content in another form."),
    "6.6": Words("The content could not be fetched or read.", _TO_ADMINISTRATORS),
    "6.7": Words(
        "An address has letters that the server does not take.", "Ask the recipient for an address in plain letters."
    ),
    "6.8": Words(
        "The reply would have letters that the server does not take.", "Use an address of your own in plain letters."
    ),
    "6.9": Words("The header has letters that the server does not take.", "Write the subject in plain letters."),
    "7.": Words("The message was not permitted.", _THEIRS),
    "7.1": Words("The server does not let you send to this recipient, or takes the message for unwanted.", _THEIRS),
    "7.2": Words("You may not send to this distribution list.", "Ask the owner of the list."),
    "7.4": Words("The servers have no security in common.", _OWN_ADMINISTRATOR),
    "7.5": Words("The connection cannot be protected as it must be.", _OWN_ADMINISTRATOR),
    "7.7": Words("The message was changed on its way, or is damaged.", _OWN_ADMINISTRATOR),
    "7.8": Words("Our mail server could not sign in to the next one.", _OWN_ADMINISTRATOR),
    "7.9": Words("Our mail server's way of signing in is too weak for the next one.", _OWN_ADMINISTRATOR),
    "7.11": Words("Signing in needs a protected connection.", _OWN_ADMINISTRATOR),
    "7.13": Words("The account that our mail server signs in with is disabled.", _OWN_ADMINISTRATOR),
    "7.20": Words("The message has no valid signature of its domain (DKIM).", _OWN_ADMINISTRATOR),
    "7.21": Words("No signature of the message is acceptable (DKIM).", _OWN_ADMINISTRATOR),
    "7.22": Words("The signature of the message is not that of its sender (DKIM).", _OWN_ADMINISTRATOR),
    "7.23": Words("Your domain does not say that our mail server may send for it (SPF).", _OWN_ADMINISTRATOR),
    "7.24": Words("What your domain says of its mail servers is faulty (SPF).", _OWN_ADMINISTRATOR),
    "7.25": Words("The address of our mail server has no name, or another one, in reverse DNS.", _OWN_ADMINISTRATOR),
    "7.26": Words("The message does not prove which domain it is from (SPF, DKIM, DMARC).", _OWN_ADMINISTRATOR),
    "7.27": Words("Your domain says that it takes no mail, so it may not send any.", _OWN_ADMINISTRATOR),
    "7.28": Words("The server has had too much mail of this kind lately.", _LATER),
}
_UNKNOWN = Words("", _OWN_ADMINISTRATOR)


def words_for(code: str) -> Words:
    """The words for an enhanced status code, "5.1.1"; its class does not matter."""
    detail = code.partition(".")[2]
    return _TABLE.get(detail) or _TABLE.get(f"{detail.partition('.')[0]}.") or _UNKNOWN
