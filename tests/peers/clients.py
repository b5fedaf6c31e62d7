"""Mail clients that others wrote, each as one call: what it is given is a whole message, what it says comes back."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PERL = r"""
use strict; use Net::SMTP;
my ($port, $file, $from, @to) = @ARGV;
my $smtp = Net::SMTP->new("127.0.0.1", Port => $port, Hello => "perl.client.test", Timeout => 20) or die "no greeting";
sub checked { $_[0] or die $smtp->code . " " . $smtp->message }
checked($smtp->mail($from));
checked($smtp->to($_)) for @to;
checked($smtp->data);
open my $in, "<:raw", $file or die $!;
while (my $line = <$in>) { $smtp->datasend($line) }
checked($smtp->dataend);
$smtp->quit;
"""
_NODE = r"""
const [port, file, from, ...to] = process.argv.slice(1);
const nodemailer = require("/usr/share/nodejs/nodemailer");
const transport = nodemailer.createTransport({port, host: "127.0.0.1", name: "node.client.test", ignoreTLS: true});
transport.sendMail({envelope: {from, to}, raw: require("fs").createReadStream(file)}, (fault, done) => {
  console.log(fault || done.response, done ? done.rejected : "");
  process.exit(fault ? 1 : 0);
});
"""


@dataclass(frozen=True)
class Errand:
    """One message to be sent to a port on loopback."""

    port: int
    file: Path
    sender: str
    recipients: Sequence[str]


def _curl(errand: Errand) -> list[str]:
    to = [word for recipient in errand.recipients for word in ("--mail-rcpt", recipient)]
    url = f"smtp://127.0.0.1:{errand.port}/curl.client.test"
    return [
        "curl",
        "--silent",
        "--show-error",
        "--verbose",
        url,
        "--mail-from",
        errand.sender,
        *to,
        "-T",
        str(errand.file),
    ]


def _swaks(errand: Errand) -> list[str]:
    server = ["--server", "127.0.0.1", "--port", str(errand.port), "--helo", "swaks.client.test"]
    return ["swaks", *server, "--from", errand.sender, "--to", ",".join(errand.recipients), "--data", f"@{errand.file}"]


def _msmtp(errand: Errand) -> list[str]:
    server = ["--file=/dev/null", "--host=127.0.0.1", f"--port={errand.port}", "--domain=msmtp.client.test"]
    return ["msmtp", *server, "--auth=off", "--tls=off", f"--from={errand.sender}", "--", *errand.recipients]


def _perl(errand: Errand) -> list[str]:
    return ["perl", "-e", _PERL, str(errand.port), str(errand.file), errand.sender, *errand.recipients]


def _node(errand: Errand) -> list[str]:
    return ["node", "-e", _NODE, str(errand.port), str(errand.file), errand.sender, *errand.recipients]


CLIENTS: dict[str, Callable[[Errand], list[str]]] = {
    "curl": _curl,
    "swaks": _swaks,
    "msmtp": _msmtp,
    "Net::SMTP": _perl,
    "nodemailer": _node,
}


def missing(name: str) -> str:
    """The program that a client needs and that is not here; "" where all is."""
    command = CLIENTS[name](Errand(0, Path("/"), "", ()))
    if shutil.which(command[0]) is None:
        return command[0]
    there = name != "nodemailer" or Path("/usr/share/nodejs/nodemailer").exists()
    return "" if there else "node-nodemailer"


def send(name: str, errand: Errand) -> "subprocess.CompletedProcess[str]":
    """Have a client send the message."""
    with errand.file.open("rb") as message:
        return subprocess.run(
            CLIENTS[name](errand),
            stdin=message,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
