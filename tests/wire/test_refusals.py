"""Known refusals: each with its meaning."""

import re

import pytest

from mailroot.wire.refusals import REFUSALS, known_refusal

UNSUCCESSFUL = "535 5.7.139 Authentication unsuccessful"
MICROSOFT, GOOGLE, ENTRA, ANY = "Microsoft 365", "Google", "Microsoft Entra", "any server"


@pytest.mark.parametrize(
    ("text", "provider", "words"),
    [
        (
            f"{UNSUCCESSFUL}, SmtpClientAuthentication is disabled for the Tenant. Visit x",
            MICROSOFT,
            "whole organization",
        ),
        (f"{UNSUCCESSFUL}, SmtpClientAuthentication is disabled for the Mailbox. Visit x", MICROSOFT, "this mailbox"),
        (f"{UNSUCCESSFUL}, basic authentication is disabled. [A.B]", MICROSOFT, "not taken any more"),
        ("550 5.7.30 Basic authentication is not supported for Client Submission.", MICROSOFT, "not taken any more"),
        (
            f"{UNSUCCESSFUL}, user is locked by your organization's security defaults policy.",
            MICROSOFT,
            "security defaults",
        ),
        (
            f"{UNSUCCESSFUL}, the request did not meet the criteria to be authenticated successfully.",
            MICROSOFT,
            "Conditional Access",
        ),
        (f"{UNSUCCESSFUL}, the user credentials were incorrect.", MICROSOFT, "is wrong"),
        ("535 5.7.3 Authentication unsuccessful [A.B 2026]", MICROSOFT, "token was not taken"),
        ("530 5.7.57 Client not authenticated to send mail.", MICROSOFT, "nobody has signed in"),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", MICROSOFT, "may not send"),
        ("554 5.2.252 SendAsDenied; a@x not allowed to send as b@x", MICROSOFT, "may not send"),
        ("550 5.7.64 TenantAttribution; Relay Access Denied", MICROSOFT, "connector"),
        ("550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", MICROSOFT, "not taken"),
        ("550 5.7.606 Access denied, banned sending IP [192.0.2.1]", MICROSOFT, "block list"),
        ("550 5.1.8 Access denied, bad outbound sender", MICROSOFT, "blocked"),
        ("432 4.3.2 Concurrent connections limit exceeded", MICROSOFT, "more connections"),
        ("534 5.7.9 Application-specific password required. Learn more at x", GOOGLE, "second factor"),
        ("534 5.7.9 Please log in with your web browser and then try again.", GOOGLE, "browser"),
        ("535 5.7.8 Username and Password not accepted. Learn more at x", GOOGLE, "app password"),
        ("530 5.7.0 Authentication Required. Learn more at x", GOOGLE, "nobody has signed in"),
        ("550 5.7.1 Invalid credentials for relay [192.0.2.1].", GOOGLE, "does not know this server"),
        ("550 5.7.26 This mail has been blocked because the sender is unauthenticated.", GOOGLE, "vouch"),
        ("550 5.7.25 The IP address does not have a PTR record", GOOGLE, "reverse DNS"),
        ("550 5.4.5 Daily user sending limit exceeded", GOOGLE, "in a day"),
        ("454 4.7.0 Too many login attempts, please try again later.", GOOGLE, "sign-ins"),
        (
            "the endpoint answered 401, invalid_client: AADSTS7000215: Invalid client secret provided.",
            ENTRA,
            "secret is wrong",
        ),
        ("the endpoint answered 401, invalid_client: AADSTS7000222: The keys are expired.", ENTRA, "expired"),
        ("the endpoint answered 400, invalid_request: AADSTS90002: Tenant not found.", ENTRA, "tenant"),
        ("the endpoint answered 400, invalid_grant: Token has been expired or revoked.", ENTRA, "refresh token"),
        ("the endpoint answered 401, invalid_client", ANY, "client"),
        ("530 5.7.0 Must issue a STARTTLS command first", ANY, "without TLS"),
        ("535 5.7.8 Error: authentication failed", ANY, "wrong"),
        ("554 5.7.1 <a@b.example>: Relay access denied", ANY, "does not take this mail from us"),
    ],
)
def test_a_known_refusal_has_its_meaning(text, provider, words):
    found = known_refusal(text)
    assert found is not None and found.provider == provider and words in found.meaning


@pytest.mark.parametrize(
    "text", ["550 5.1.1 No such user", "250 2.0.0 OK", "", "552 5.3.4 too large", "421 4.3.2 busy"]
)
def test_what_is_not_known_is_not_guessed(text):
    assert known_refusal(text) is None


def test_no_row_is_hidden_by_itself_and_all_say_something():
    assert all(row.meaning and row.mend and not row.mend.endswith(".") for row in REFUSALS)
    assert all(not re.search(r"\bplease\b", row.mend) for row in REFUSALS)
