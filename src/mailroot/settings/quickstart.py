"""The settings of a service that was started without a file: enough to send a first message on one machine."""

from mailroot.settings.change import parse
from mailroot.settings.problem import Problems
from mailroot.settings.resolve import Facts
from mailroot.settings.service import Settings

QUICK_START = """\
# Mailroot: what is not named here has its default (docs/settings.md).

[servers.default]
home = "Mailroot"

[servers.default.general]
bindings = ["127.0.0.1:2525"]

[servers.default.access.relay]
list = ["127.0.0.1"]
"""


def quick_start(folder: str, host: str = "localhost") -> Settings:
    """127.0.0.1:2525, relaying for 127.0.0.1, with Mailroot and Logs in `folder`. `host` is the machine's name."""
    settings = parse(QUICK_START, Facts(folder=folder, host=host))
    if isinstance(settings, Problems):
        raise AssertionError(str(settings))
    return settings
