"""What README says a user may type, typed; and what it says is printed."""

import re
import subprocess
from pathlib import Path

from mailroot.settings.quickstart import QUICK_START
from tests.live.running import ROOT, running, until

README = (ROOT / "README.md").read_text()
SETTINGS = (
    QUICK_START.replace('"127.0.0.1:2525"', '"127.0.0.1:{port}"')
    + '\n[servers.default.delivery]\nfqdn = "myhost"\n\n[servers.default.domains.myhost]\ntype = "default"\n'
)
# What differs from run to run: dates, names that are made, and what the client calls itself.
_CHANGING = re.compile(
    r"\w{3}, \d\d? \w{3} \d{4} [\d:]{8} [+-]\d{4}|\d\d \w{3} \d{4} [\d:.]+ \(UTC\) FILETIME=\[.*?\]|"
    r"(?<=Message-ID: )\S+|(?<=Received: from )\S+(?= \()"
)


def lines(beginning: str) -> list[str]:
    """The lines in README's shell blocks that begin so."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith(beginning)]


def messages(shown: str) -> list[str]:
    """The Drop files in what was printed, in one order, without what differs from run to run."""
    return sorted(_CHANGING.sub("...", shown).split("x-sender: "))


def test_the_first_messages_of_the_readme_are_in_drop_as_it_shows_them(tmp_path: Path) -> None:
    (smtp,), (pickup,), (show,) = lines("python3 "), lines("printf "), lines("cat ")
    with running(tmp_path, settings=SETTINGS) as service:
        for number, line in enumerate((smtp.replace("2525", str(service.port)), pickup), 1):
            subprocess.run(["/bin/sh", "-c", line], cwd=service.folder, check=True, timeout=120)
            until(lambda number=number: len(service.dropped()) == number, f"message {number} in Drop")
        shown = subprocess.run(
            ["/bin/sh", "-c", show], cwd=service.folder, capture_output=True, check=True, timeout=120
        )
    (example,) = [block for block in re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL) if "x-sender" in block]
    # Their names, and so their order, differ from run to run.
    assert messages(shown.stdout.decode().replace("\r\n", "\n")) == messages(example)


def test_the_readme_says_what_the_quick_start_says() -> None:
    (block,) = [block for block in re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL) if "listening" in block]
    assert block.splitlines()[0] == "listening 127.0.0.1:2525 smtp Default SMTP Virtual Server"
    assert 'bindings = ["127.0.0.1:2525"]' in QUICK_START
