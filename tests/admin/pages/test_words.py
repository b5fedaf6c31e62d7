"""What is shown is said in words: of times, of names that stand between backticks, of series, of answers."""

from datetime import UTC, datetime

from mailroot.admin.console import words
from mailroot.admin.console.pictures import in_words
from mailroot.admin.console.visit import TEMPLATES
from mailroot.admin.console.wizard import Question


def cell(value: object, name: str) -> str:
    macros = TEMPLATES.get_template("macros.html").make_module({"times": words.TIMES, "sizes": words.SIZES})
    return str(macros.cell(value, name)).strip()


def test_names_between_backticks_look_like_names_and_nothing_else_becomes_markup():
    assert words.ticked("all others get `certificate`.") == "all others get <code>certificate</code>."
    assert words.ticked("a `<b>` & <i>") == "a <code>&lt;b&gt;</code> &amp; &lt;i&gt;"


def test_each_of_several_times_is_shown_in_the_readers_zone():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).isoformat()
    assert cell([moment, moment], "coming").count('<time datetime="2026-01-02T03:04:05Z"') == 2
    assert cell(moment, "due").count("<time ") == 1


def test_the_state_of_a_file_is_no_state_of_a_server():
    assert cell("", "state") == ""
    assert cell("being resubmitted", "state") == "being resubmitted"


def test_series_of_pictures_have_names_for_people_and_destinations_their_own():
    told = {"series": [{"name": "messages_received"}, {"name": "queue_depth"}, {"name": "relay"}]}
    assert [one["name"] for one in in_words("throughput", told)["series"]] == ["accepted", "all that wait", "relay"]
    assert in_words("destinations", {"series": [{"name": "half"}]})["series"] == [{"name": "half"}]


def test_a_wizard_says_what_an_empty_answer_means_and_nothing_of_what_was_not_asked():
    assert Question("home", "Home", "", otherwise="a folder of its own").shown("") == "a folder of its own"
    assert Question("relay", "Relay", "", flag=True).shown("") == "no"
    assert Question("relay", "Relay", "", flag=True).shown("on") == "yes"
    assert Question("route", "Route", "").shown("") == ""
