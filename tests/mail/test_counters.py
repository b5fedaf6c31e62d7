"""The table of counters and how it lies in memory."""

import pytest

from mailroot.mail.counters.families import BOUNDS, FAMILIES, OTHER, REFUSALS, STAGES
from mailroot.mail.counters.layout import (
    FAMILY_SLOTS,
    LENGTH,
    SLOTS,
    STAGE_LENGTH,
    STAGE_SLOTS,
    Tally,
    seconds_of,
    slot_of,
)
from mailroot.mail.counters.row import Kind
from mailroot.mail.counters.table import BY_NAME, COUNTER_ROWS

# The counters of the predecessor's object `SMTP Server`: facts 7.
PREDECESSORS = """\
Badmailed Messages (Bad Pickup File); Badmailed Messages (General Failure); Badmailed Messages (Hop Count Exceeded);
Badmailed Messages (NDR of DSN); Badmailed Messages (No Recipients); Badmailed Messages (Triggered via Event);
Bytes Sent Total; Bytes Received Total; Categorizer Queue Length; Total Connection Errors;
Current Messages in Local Delivery; Directory Drops Total; DNS Queries Total; Total DSN Failures; ETRN Messages Total;
Inbound Connections Current; Inbound Connections Total; Local Queue Length; Local Retry Queue Length;
Number of MailFiles Open; Message Bytes Received Total; Message Bytes Sent Total; Message Delivery Retries;
Message Send Retries; Messages Currently Undeliverable; Messages Delivered Total; Messages Pending Routing;
Messages Received Total; Messages Refused for Address Objects; Messages Refused for Mail Objects;
Messages Refused for Size; Messages Sent Total; Total messages submitted; NDRs Generated;
Outbound Connections Current; Outbound Connections Refused; Outbound Connections Total; Number of QueueFiles Open;
Pickup Directory Messages Retrieved Total; Remote Queue Length; Remote Retry Queue Length;
Routing Table Lookups Total;
% Recipients Local; % Recipients Remote; Avg Recipients/msg Received; Avg Recipients/msg Sent;
Avg Retries/msg Delivered; Avg Retries/msg Sent; Bytes Sent/sec; Bytes Received/sec; Bytes Total; Bytes Total/sec;
Message Bytes Sent/sec; Message Bytes Received/sec; Message Bytes Total; Message Bytes Total/sec; Message Received/sec;
Messages Sent/sec; Messages Delivered/sec; Directory Drops/sec; DNS Queries/sec; ETRN Messages/sec;
Routing Table Lookups/sec; Pickup Directory Messages Retrieved/sec; Connection Errors/sec;
Cat: Address lookups; Cat: Address lookups/sec; Cat: Address lookups not found; Cat: Address lookup completions"""


def test_every_counter_of_the_predecessor_is_there_by_its_name() -> None:
    wanted = {name.strip() for name in PREDECESSORS.replace("\n", " ").split(";")}
    assert wanted - {row.shown for row in COUNTER_ROWS} == set()


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(COUNTER_ROWS)
    shown = [row.shown for row in COUNTER_ROWS if row.shown]
    assert len(set(shown)) == len(shown)


def test_what_is_derived_names_counts() -> None:
    for row in COUNTER_ROWS:
        derived = row.kind in {Kind.SUM, Kind.RATE, Kind.RATIO}
        assert bool(row.of) is derived
        assert all(BY_NAME[name].kind in {Kind.COUNT, Kind.SUM} for name in row.of)


def test_sentences_end() -> None:
    assert all(row.sentence.endswith(".") for row in COUNTER_ROWS)
    assert all(family.sentence.endswith(".") for family in FAMILIES)
    assert all(stage.sentence.endswith(".") for stage in STAGES)


def test_no_two_counts_share_a_slot() -> None:
    slots = [*vars(SLOTS).values()]
    slots += [slot for family in FAMILY_SLOTS.values() for slot in family.values()]
    slots += [first + place for first in STAGE_SLOTS.values() for place in range(STAGE_LENGTH)]
    assert sorted(slots) == list(range(LENGTH))


def test_a_value_that_is_in_no_set_counts_as_other() -> None:
    assert list(REFUSALS.values)[-1] == OTHER
    assert slot_of(REFUSALS, "never heard of") == FAMILY_SLOTS["refusals"][OTHER]


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (86_400.0, len(BOUNDS) - 1), (1e9, len(BOUNDS))]
)
def test_a_time_counts_in_the_bucket_of_the_first_bound_that_is_not_below_it(seconds: float, bucket: int) -> None:
    tally, first = Tally(), STAGE_SLOTS["commit"]
    tally.took(first, seconds, 2)
    assert tally.cells[first + bucket] == 2
    assert sum(tally.cells[first : first + STAGE_LENGTH - 1]) == 2
    assert seconds_of(tally.cells, first) == pytest.approx(2 * seconds, abs=1e-5)


def test_a_clock_that_went_back_breaks_nothing() -> None:
    tally = Tally()
    tally.took(STAGE_SLOTS["wait"], -1.0)
    assert tally.cells[STAGE_SLOTS["wait"]] == 1
