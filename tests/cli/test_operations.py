"""Commands that ask the running service."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailroot.admin.operations import OPERATIONS
from mailroot.cli import screen
from mailroot.cli.main import main
from mailroot.edge.control import NoService, ask
from mailroot.mail.faults import ConnectionLost, Unavailable
from tests.cli.fakeservice import fake_service

ROW = {
    "server": "default",
    "key": "k1",
    "sender": "a@example.com",
    "recipient": "b@" + "very-" * 60 + "long.example",
    "size": 5,
    "arrived": "2026-01-01T00:00:00+00:00",
    "due": "",
    "attempts": 1,
    "last": "451 4.3.0 later",
    "message_id": "<1@x>",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mailroot.toml"


def test_without_a_service_the_command_says_how_to_start_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(file), "status"]) == 1
    assert main(["--config", str(file), "queue", "list"]) == 1
    out, said = capsys.readouterr()
    assert out == ""
    assert f"No service runs for {file} (no socket at {file.parent}/.mailroot.toml.control)" in said
    assert f"start it with ./mailroot serve --config {file}" in said


@pytest.mark.parametrize("before", [True, False])
def test_the_file_may_be_named_before_and_after_the_command(file: Path, before: bool) -> None:
    named = ["--config", str(file), "--json"]
    with fake_service(file, lambda *_: []) as service:
        assert main([*named, "server", "list"] if before else ["server", "list", *named]) == 0
    assert service.asked == [("server.list", {})]


def test_queue_list_walks_every_page_and_cuts_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(_: str, arguments: dict[str, Any]) -> object:
        number = int(arguments["after"] or 0)
        return {"rows": [{**ROW, "key": f"k{number}"}], "next": str(number + 1) if number < 3 else ""}

    with fake_service(file, answer):
        assert main(["queue", "list", "--config", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[:2] == ["server", "key"]
    assert [line.split("\t")[1] for line in lines[1:]] == ["k0", "k1", "k2", "k3"]
    assert all(str(ROW["recipient"]) in line for line in lines[1:])


def test_queue_list_in_json_is_one_array(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service(file, lambda *_: {"rows": [ROW, ROW], "next": ""}):
        assert main(["queue", "list", "--json", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == [ROW, ROW]
    with fake_service(file, lambda *_: {"rows": [], "next": ""}):
        assert main(["queue", "list", "--json", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_page_that_comes_again_and_again_is_an_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service(file, lambda *_: {"rows": [], "next": "1"}):
        assert main(["queue", "list", "--config", str(file)]) == 1
    assert "again and again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "operation", "arguments"),
    [
        (["server", "pause", "default"], "server.pause", {"server": "default"}),
        (["session", "end", "s1"], "session.end", {"session": "s1"}),
        (["queue", "retry", "k1"], "queue.retry", {"key": "k1", "after": ""}),
        (["queue", "retry", "--all"], "queue.retry", {"all": True, "after": ""}),
        (["queue", "remove", "k1"], "queue.remove", {"key": "k1", "after": ""}),
        (
            ["queue", "freeze", "--sender", "<>", "--older", "2h"],
            "queue.freeze",
            {"sender": "<>", "older": "2h", "after": ""},
        ),
        (["queue", "thaw", "--frozen"], "queue.thaw", {"frozen": True, "after": ""}),
        (["queue", "reroute", "--to", "", "--all"], "queue.reroute", {"to": "", "all": True, "after": ""}),
        (["queue", "bounce", "k1", "--words", "No."], "queue.bounce", {"key": "k1", "words": "No.", "after": ""}),
        (["queue", "export", "k1", "--to", "/x"], "queue.export", {"key": "k1", "to": "/x", "after": ""}),
        (["settings", "reload"], "settings.reload", {}),
    ],
)
def test_words_become_operations(file: Path, words: list[str], operation: str, arguments: dict[str, Any]) -> None:
    with fake_service(file, lambda *_: {"recipients": 1, "ended": 1}) as service:
        assert main([*words, "--config", str(file)]) == 0
    assert service.asked == [(operation, arguments)]


@pytest.mark.parametrize(
    "words",
    [
        ["retry"],
        ["freeze"],
        ["remove"],
        ["bounce", "--words", "x"],
        ["reroute", "--to", "relay.example"],
        ["export", "--to", "/tmp/x"],
    ],
)
def test_without_a_filter_nothing_is_done(file: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", *words, "--config", str(file)]) == 2
    assert "give a KEY, a filter such as --sender, or --all" in capsys.readouterr().err


def test_a_folder_is_named_whole_to_the_service(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    with fake_service(file, lambda *_: {"recipients": 1}) as service:
        assert main(["queue", "export", "k1", "--to", "mail", "--config", str(file)]) == 0
    assert service.asked[0][1]["to"] == str(file.parent / "mail")


def test_an_operation_on_many_is_asked_for_part_after_part(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(_: str, arguments: dict[str, Any]) -> object:
        number = int(arguments["after"] or 0)
        return {"recipients": 10, "in_delivery": 1, "next": str(number + 1) if number < 4 else ""}

    with fake_service(file, answer):
        assert main(["queue", "remove", "--all", "--json", "--config", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == {"recipients": 50, "in_delivery": 5}
    with fake_service(file, lambda *_: {"recipients": 1, "next": "1"}):
        assert main(["queue", "remove", "--all", "--config", str(file)]) == 1


def test_nothing_to_act_on_is_a_failure(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service(file, lambda *_: {"recipients": 0, "in_delivery": 0}):
        assert main(["queue", "remove", "k1", "--config", str(file)]) == 1
    assert "'k1'" in capsys.readouterr().err
    with fake_service(file, lambda *_: {"recipients": 0, "in_delivery": 2}):
        assert main(["queue", "remove", "--sender", "*", "--config", str(file)]) == 1
    assert "2 recipients of that selection are in delivery" in capsys.readouterr().err


def test_what_the_service_refuses_is_said_and_is_a_failure(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service(file, lambda *_: ValueError("there is no virtual server x")):
        assert main(["server", "stop", "x", "--config", str(file)]) == 1
    assert "no virtual server x" in capsys.readouterr().err


@pytest.mark.parametrize("json_wanted", [True, False])
def test_O05_nothing_that_a_terminal_obeys_comes_from_mail(
    file: Path, capsys: pytest.CaptureFixture[str], json_wanted: bool
) -> None:
    bad = "\x1b]0;x\x07\u202eevil\u200b\x9b\x7f\n\ud800"
    with fake_service(file, lambda *_: {"rows": [{**ROW, "sender": bad}], "next": ""}):
        assert main(["queue", "list", "--config", str(file), *(["--json"] if json_wanted else [])]) == 0
    said = capsys.readouterr().out
    assert all(sign == "\n" or sign == "\t" or sign.isprintable() for sign in said)
    assert "evil" in said


def test_O05_errors_and_facts_are_neutral_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_service(file, lambda *_: ValueError("no \x1b[31m")):
        main(["queue", "show", "k", "--config", str(file)])
    with fake_service(file, lambda *_: {"key": "k", "recipients": [{"address": "\x1b[31m"}], "hello": "\x1b[2J"}):
        main(["queue", "show", "k", "--config", str(file)])
    both = capsys.readouterr()
    assert "\x1b" not in both.err + both.out


def test_O05_tables_on_a_terminal_are_neutral_and_keep_markup_as_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    screen.show_rows(["sender"], [{"sender": "[red]\u202ex\x1b[0m"}], json_wanted=False)
    said = capsys.readouterr().out
    assert "[red]" in said
    assert "\u202e" not in said


def test_a_row_that_does_not_fit_the_terminal_becomes_a_block_in_which_nothing_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    screen.show_rows(["server", "recipient"], [ROW, ROW], json_wanted=False)
    block = f"server     default\nrecipient  {ROW['recipient']}\n"
    assert capsys.readouterr().out == f"{block}\n{block}"


def test_a_control_socket_is_reached_at_the_end_of_a_long_path(tmp_path: Path) -> None:
    file = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8, "mailroot.toml")
    file.parent.mkdir(parents=True)
    with fake_service(file, lambda *_: {"pid": 1}):
        assert ask(file, "status", {}) == {"pid": 1}


def test_a_socket_that_nobody_serves_any_more_is_no_service(file: Path) -> None:
    with fake_service(file, lambda *_: {}):
        left = file.parent / ".mailroot.toml.control"
        left.rename(file.parent / "x")
        (file.parent / "x").rename(left)
    with pytest.raises(NoService):
        ask(file, "status", {})


@pytest.mark.parametrize("answer", [b"hello\n", b"[]\n", b'{"ok": true}\n', b"\xff\n"])
def test_an_answer_that_is_none_of_ours_is_said_so(file: Path, answer: bytes) -> None:
    with fake_service(file, lambda *_: answer), pytest.raises(Unavailable, match="none of Mailroot's"):
        ask(file, "status", {})


def test_half_an_answer_is_a_lost_connection(file: Path) -> None:
    with fake_service(file, lambda *_: b'{"ok": tr'), pytest.raises(ConnectionLost):
        ask(file, "status", {})


def test_a_service_that_does_not_answer_is_given_up(file: Path) -> None:
    import threading

    release = threading.Event()

    def answer(*_: object) -> object:
        release.wait(5)
        return b""

    with fake_service(file, answer):
        with pytest.raises(Unavailable, match="did not answer"):
            ask(file, "status", {}, 0.05)
        release.set()


def test_the_supervisor_serves_every_operation() -> None:
    control = pytest.importorskip("mailroot.service.life.control")
    audit = SimpleNamespace(page=lambda _: None, check=lambda _: None)
    service = SimpleNamespace(state=None, ledger=None, emit=None, audit=audit)
    assert set(control.Control(service, Path("x"), None)._operations) == {operation.name for operation in OPERATIONS}


def test_what_can_be_watched_is_shown_again_until_ctrl_c(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("mailroot.cli.remote.time.sleep", rest)
    row = {"server": "default", "counter": "Messages Received Total", "value": 5, "unit": "messages"}
    with fake_service(file, lambda *_: [row]) as service:
        assert main(["counters", "--watch", "--config", str(file)]) == 130
    assert service.asked == [("counters", {})] * 3
    assert capsys.readouterr().out.count("default\tMessages Received Total\t5\tmessages\n") == 3
