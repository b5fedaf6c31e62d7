"""`sendmail` at work: by SMTP and by Pickup, its exit codes, and the programs that call it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.outside import relaying
from tests.live.running import ROOT, Service, running, service, until

MESSAGE = "From: app@local.test\nTo: ann@local.test\nBcc: bob@local.test\nSubject: x\n\nHello.\n"


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """Sendmail as programs find it: a program by that name."""
    path = tmp_path / "programs" / "sendmail"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom mailroot.cli.entry import main\nsys.exit(main())\n")
    path.chmod(0o755)
    return path


def environment(made: Service) -> dict[str, str]:
    own = {"PYTHONPATH": str(ROOT / "src"), "MAILROOT_CONFIG": str(made.file), "HOME": str(made.folder)}
    git = {f"GIT_{who}_{what}": "ann@local.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, **own, **git}


def sendmail(made: Service, *words: str, text: str = MESSAGE, program: Path | None = None):
    command = [str(program)] if program else [sys.executable, "-m", "mailroot", "sendmail"]
    return subprocess.run(
        [*command, *words],
        check=False,
        input=text.encode(),
        env=environment(made),
        cwd=made.folder,
        capture_output=True,
        timeout=120,
    )


def arrived(made: Service, count: int) -> list[bytes]:
    until(lambda: len(made.dropped()) >= count, f"{count} files in Drop")
    return [path.read_bytes() for path in made.dropped()]


def test_a_message_is_handed_over_by_smtp(tmp_path: Path, link: Path) -> None:
    with running(tmp_path / "service") as made:
        done = sendmail(made, "-t", "-i", "-f", "app@local.test", program=link)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        (file,) = arrived(made, 1)
        assert b"x-receiver: ann@local.test\r\nx-receiver: bob@local.test\r\n" in file and b"Bcc" not in file
        (event,) = until(lambda: made.events("accepted"), "the event")
        assert event["session"]


def test_it_is_quick_to_start(tmp_path: Path) -> None:
    """Not a measurement, which a busy machine would spoil: what makes a start slow must not be imported."""
    made = service(tmp_path)
    made.file.write_text(made.settings)
    code = (
        "import sys\nfrom mailroot.cli.entry import main\nsys.argv[1:] = ['sendmail', '-t']\nmain()\n"
        "print(*({'argparse', 'json', 'pydantic', 'asyncio', 'ssl', 'rich', 'email', 'tomlkit'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        input=MESSAGE,
        env=environment(made),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == ""


def test_without_a_service_the_message_waits_in_pickup(tmp_path: Path) -> None:
    made = service(tmp_path)
    made.start()
    made.stop()
    assert sendmail(made, "-t").returncode == 0
    (file,) = (made.home / "Pickup").iterdir()
    assert file.read_bytes().startswith(b"x-sender: ") and b"Bcc" not in file.read_bytes()
    made.start()
    try:
        assert b"x-receiver: bob@local.test" in arrived(made, 1)[0]
    finally:
        made.stop()


def test_without_the_right_to_relay_the_message_goes_by_pickup(tmp_path: Path) -> None:
    with relaying(tmp_path, 'smart_host = "[127.0.0.1]:9"\n') as made:
        made.stop()
        made.settings = made.settings.replace('list = ["127.0.0.1"]', "list = []")
        made.start()
        assert sendmail(made, "far@far.example").returncode == 0
        (row,) = until(lambda: made.ask("queue", "list"), "the message in the queue")
        assert row["recipient"] == "far@far.example"
        assert until(lambda: made.events("refused"), "the event")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 65, b"nobody is named"),
        (("-bd",), 64, b"mailroot serve"),
        (("x@y@z",), 65, b"not an address"),
        (("-C", "/nowhere.toml", "x"), 78, b"No such file"),
        (("--server", "other", "x"), 78, b"default"),
        (("ann%far.example@local.test",), 77, b"550 5.7.1"),
    ],
)
def test_exit_codes(tmp_path: Path, words: tuple[str, ...], code: int, says: bytes) -> None:
    with running(tmp_path, "[servers.default.pickup]\nenabled = false\n") as made:
        done = sendmail(made, *words)
        assert done.returncode == code and says in done.stderr


def test_what_is_too_large_is_refused_at_once(tmp_path: Path) -> None:
    with running(tmp_path, '[servers.default.messages]\nsize_limit = "4KB"\n') as made:
        done = sendmail(made, "ann", text=MESSAGE + "x" * 8000)
        assert done.returncode == 69 and b"5.3.4" in done.stderr
        assert not made.events("accepted")


def test_nobody_who_answers_and_no_pickup_is_a_later_try(tmp_path: Path) -> None:
    made = service(tmp_path)
    made.file.write_text(made.settings)
    assert sendmail(made, "ann").returncode == 75


def test_many_recipients_go_in_several_transactions(tmp_path: Path) -> None:
    with running(tmp_path, "[servers.default.messages]\nrecipient_limit = 3\n") as made:
        assert sendmail(made, *(f"user{number}@local.test" for number in range(8))).returncode == 0
        until(lambda: len(made.events("accepted")) == 3, "three transactions")
        assert sorted(event["recipients"] for event in made.events("accepted")) == [2, 3, 3]


def test_the_wishes_of_dsn_are_passed_on(tmp_path: Path) -> None:
    with running(tmp_path) as made:
        assert sendmail(made, "-N", "success", "-V", "job7", "-f", "app@local.test", "ann@local.test").returncode == 0
        assert any(b"Original-Envelope-Id: job7" in file and b"Action: delivered" in file for file in arrived(made, 2))


def test_a_program_can_speak_smtp_with_it(tmp_path: Path, link: Path) -> None:
    with running(tmp_path / "service") as made:
        talk = "EHLO x\r\nMAIL FROM:<a@local.test>\r\nRCPT TO:<ann@local.test>\r\nDATA\r\n"
        command = [str(link), "-bs"]
        with subprocess.Popen(command, env=environment(made), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None and process.stdout is not None
            seen: list[bytes] = []
            for line in (*talk.encode().splitlines(keepends=True), b"Subject: x\r\n\r\nHello.\r\n.\r\n", b"QUIT\r\n"):
                seen.append(_reply(process.stdout))
                process.stdin.write(line)
                process.stdin.flush()
            assert [reply[:3] for reply in seen] == [b"220", b"250", b"250", b"250", b"354", b"250"]
            assert _reply(process.stdout).startswith(b"221") and process.wait(120) == 0
        assert len(arrived(made, 1)) == 1


def _reply(stream) -> bytes:
    while (line := stream.readline())[3:4] == b"-":
        pass
    return line


# -- programs that others wrote


def called(made: Service, command: list[str], text: str = "") -> bytes:
    """Run a program that calls sendmail; the one file that it leads to."""
    done = subprocess.run(
        command,
        check=False,
        input=text.encode(),
        env=environment(made),
        cwd=made.folder,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = arrived(made, 1)
    return file


def test_s_nail_sends_by_it(tmp_path: Path, link: Path, program) -> None:
    with running(tmp_path / "service") as made:
        options = ["-:/", "-S", f"mta={link}", "-S", "v15-compat=yes", "-S", "ttycharset=utf-8", "-s", "Grüße"]
        file = called(made, [program("s-nail"), *options, "ann@local.test"], "Hello.\n.\nmore\n")
        assert b"Hello.\r\n.\r\nmore" in file and b"Subject: =?" in file


def test_git_send_email_sends_by_it(tmp_path: Path, link: Path, program) -> None:
    program("git")
    patch = tmp_path / "0001-x.patch"
    patch.write_text(
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: Ann <ann@local.test>\n"
        "Date: Mon, 2 Nov 2026 10:00:00 +0000\nSubject: [PATCH] x\n\nWhy.\n---\n a | 1 +\n\n.\n+line\n"
    )
    with running(tmp_path / "service") as made:
        words = "--from ann@local.test --to list@local.test --confirm=never --suppress-cc=all --quiet".split()
        file = called(made, ["git", "send-email", "--smtp-server", str(link), *words, str(patch)])
        assert b"x-receiver: list@local.test" in file and b"\r\n.\r\n+line\r\n" in file


def test_php_sends_by_it(tmp_path: Path, link: Path, program) -> None:
    with running(tmp_path / "service") as made:
        header = "From: app@local.test\\r\\nBcc: bob@local.test"
        code = f'exit(mail("ann@local.test", "x", "Hello.\\n.\\nmore", "{header}") ? 0 : 9);'
        file = called(made, [program("php"), "-n", "-d", f"sendmail_path={link} -t -i", "-r", code])
        assert b"x-receiver: bob@local.test" in file and b"Hello.\r\n.\r\nmore" in file and b"Bcc" not in file
