"""Where the program begins: as sendmail, which has to be quick, or as the command line."""

import sys
from os.path import basename

DEFAULT_FILE = "mailroot.toml"
# Names under which programs call us, by a link perhaps; their words have a grammar of their own (`cli.sendmail`).
_SENDMAIL = ("sendmail", "mailq", "newaliases")


def main() -> int:
    """Carry out what was typed. Only what is needed for it is imported."""
    called, words = basename(sys.argv[0]), sys.argv[1:]  # noqa: PTH119 - pathlib alone costs 5 ms
    if called in _SENDMAIL:
        words.insert(0, called)
    if words and words[0] in _SENDMAIL:
        from mailroot.cli.sendmail.run import main as sendmail  # noqa: PLC0415

        return sendmail(words[1:], words[0])
    from mailroot.cli.main import main as command  # noqa: PLC0415

    return command(words)
