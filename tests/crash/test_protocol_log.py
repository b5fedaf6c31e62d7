"""The protocol log through crashes and full disks: whole lines under one header, and mail that never waits for it."""

import contextlib
import smtplib
import threading
from pathlib import Path

from tests.crash.disks import disk
from tests.crash.test_full_disk import fill
from tests.live.running import Service, service, until
from tests.live.test_protocol_log import FULL, files, log, words

OPTIONS = log(f"fields = {FULL}\nperiod = 'unlimited'".replace("'", '"'))


def talk(made: Service, ending: threading.Event) -> None:
    """Say something again and again, until it is told to end, whatever becomes of the service meanwhile."""
    while not ending.wait(0.001):
        with contextlib.suppress(OSError, smtplib.SMTPException), made.connect(timeout=5) as client:
            client.ehlo("x" * 200)
            for _ in range(20):
                client.ehlo("y" * 200)


def test_killed_in_the_middle_of_writing_it_leaves_whole_lines_under_one_header(tmp_path: Path) -> None:
    made = service(tmp_path, OPTIONS, workers=2)
    ending = threading.Event()
    talkers = [threading.Thread(target=talk, args=(made, ending)) for _ in range(3)]
    try:
        made.start()
        for talker in talkers:
            talker.start()
        for _ in range(4):
            before = len(words(made)) if files(made) else 0
            until(lambda before=before: files(made) and len(words(made)) > before + 200, "more lines")
            made.kill()
            made.start()
        ending.set()
        for talker in talkers:
            talker.join()
        made.send()
        until(lambda: any(line["cs-method"] == "DATA" for line in words(made)), "the line of the last message")
    finally:
        ending.set()
        if made.process is not None:
            made.stop()
    (path,) = files(made)
    text = path.read_bytes().decode("ascii")
    assert text.startswith("#Software: ")
    assert text.count("#") == 4, "one header"
    assert text.endswith("\n")
    assert len(words(made)) > 800  # which has looked at the number of fields of each line


def small_files(made: Service) -> list[str]:
    """The lines of the log that stands on the small disk."""
    path = made.folder / "Small" / "SMTPSVC1" / "extend1.log"
    return path.read_bytes().decode("ascii").splitlines(keepends=True) if path.exists() else []


def test_S04_a_full_disk_loses_lines_of_the_log_and_no_mail(tmp_path: Path) -> None:
    made = service(tmp_path, OPTIONS + 'directory = "Small"\n')
    sent = 0
    with disk(tmp_path / "disk", tmp_path / "Small", mebibytes=8):
        try:
            made.start()
            made.send()
            until(lambda: any(" QUIT " in line for line in small_files(made)), "the first lines")
            ballast = fill(tmp_path / "Small")

            def lost() -> bool:
                nonlocal sent
                with made.connect() as client:
                    client.ehlo("x" * 200)
                    for _ in range(20):
                        client.ehlo("y" * 200)
                    client.sendmail("a@local.test", "b@local.test", "Subject: x\r\n\r\nx\r\n")
                sent += 1
                return bool(made.events("log_lost"))

            until(lost, "a loss that is told of")
            assert "No space left" in made.events("log_lost")[0]["cause"]
            assert made.events("log_lost")[0]["server"] == "default"
            ballast.unlink()

            def recovered() -> bool:
                with made.connect() as client:
                    client.ehlo("afterwards.test")
                return any("+afterwards.test " in line for line in small_files(made))

            until(recovered, "lines after there was room again")
            until(lambda: len(made.dropped()) == sent + 1, "all messages")
        finally:
            if made.process is not None:
                made.stop()
        lines = small_files(made)
        assert sum(line.startswith("#") for line in lines) == 4
        assert all(line.endswith("\n") and len(line.split(" ")) == len(FULL) for line in lines[4:])
