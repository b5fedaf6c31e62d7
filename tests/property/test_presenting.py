"""Signing in to a server that says anything at all: it ends, raises nothing, and believes no early yes."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.reply import Reply
from mailroot.wire.client import Say
from mailroot.wire.presenting import present
from mailroot.wire.sasl.client import CLIENT_MECHANISMS
from mailroot.wire.sasl.words import (
    ChannelBinding,
    ClientOpening,
    ContextFailed,
    ContextStep,
    ContextToken,
    Credentials,
)

OPENING = ClientOpening(
    Credentials("app", "secret", "token", "DOMAIN"),
    "relay.example",
    587,
    bytes(range(32)),
    datetime(2026, 1, 2, tzinfo=UTC),
    ChannelBinding(b"x" * 32),
)
CHALLENGES = st.binary(max_size=200).map(lambda octets: Reply(334, "", (base64.b64encode(octets).decode(),)))
REPLIES = st.one_of(
    CHALLENGES,
    st.builds(
        Reply, st.sampled_from([235, 250, 334, 421, 454, 501, 535]), st.just(""), st.tuples(st.text(max_size=50))
    ),
)
CONTEXT = st.one_of(
    st.builds(ContextToken, st.binary(max_size=50), st.sampled_from([None, "app"])),
    st.builds(ContextFailed, st.text(min_size=1, max_size=20)),
)
PROVING = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}


@pytest.mark.parametrize("row", CLIENT_MECHANISMS, ids=lambda row: row.name)
@given(replies=st.lists(REPLIES, max_size=20), context=st.lists(CONTEXT, max_size=20))
def test_any_server_is_borne(row, replies, context):
    script = present(row.name, row.present(OPENING))
    said = []
    step = next(script)
    try:
        for _ in range(40):
            if isinstance(step, Say):
                said.append(replies.pop(0) if replies else Reply(421, "", ("gone",)))
                step = script.send([said[-1]])
            else:
                answer = context.pop(0) if context else ContextFailed("gone")
                if isinstance(answer, ContextToken) and not isinstance(step, ContextStep):
                    answer = answer.data  # sealed, or opened
                step = script.send(answer)
        raise AssertionError("it did not end")
    except StopIteration as end:
        presented = end.value
    if presented.accepted:
        assert said[-1].code == 235 and row.name not in PROVING
    assert presented.accepted or presented.cause or presented.reply
