"""Mail clients that others wrote, each as one call: what it is given is a whole message, what it says comes back."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PERL = r"""
use strict; use Net::SMTP;
my ($port, $file, $mechanism, $user, $ca, $from, @to) = @ARGV;
my $smtp = Net::SMTP->new("localhost", Port => $port, Hello => "perl.client.test", Timeout => 20) or die "no greeting";
sub checked { $_[0] or die $smtp->code . " " . $smtp->message }
checked($smtp->starttls(SSL_ca_file => $ca)) if $ca;
if ($user) {
    require Authen::SASL;
    my $said = {user => $user, pass => $ENV{MAIL_PASSWORD}, authname => $user};
    checked($smtp->auth(Authen::SASL->new(mechanism => $mechanism, callback => $said)));
}
checked($smtp->mail($from));
checked($smtp->to($_)) for @to;
checked($smtp->data);
open my $in, "<:raw", $file or die $!;
while (my $line = <$in>) { $smtp->datasend($line) }
checked($smtp->dataend);
$smtp->quit;
"""
_NODE = r"""
const [port, file, mechanism, user, ca, from, ...to] = process.argv.slice(1);
const nodemailer = require("/usr/share/nodejs/nodemailer");
const options = {port, host: "localhost", name: "node.client.test", ignoreTLS: !ca, requireTLS: !!ca};
if (ca) options.tls = {ca: require("fs").readFileSync(ca)};
if (user) Object.assign(options, {auth: {user, pass: process.env.MAIL_PASSWORD}, authMethod: mechanism});
const transport = nodemailer.createTransport(options);
transport.sendMail({envelope: {from, to}, raw: require("fs").createReadStream(file)}, (fault, done) => {
  console.log(fault || done.response, done ? done.rejected : "");
  process.exit(fault ? 1 : 0);
});
"""


@dataclass(frozen=True)
class SignIn:
    """How a client signs in: the mechanism's name in capitals."""

    mechanism: str
    user: str
    password: str


@dataclass(frozen=True)
class Errand:
    """One message to be sent to a port of localhost; by STARTTLS where `trusted`, a file of authorities, is given."""

    port: int
    file: Path
    sender: str
    recipients: Sequence[str]
    sign_in: SignIn | None = None
    trusted: str = ""


def _curl(errand: Errand) -> list[str]:
    options = ["--mail-from", errand.sender, "-T", str(errand.file)]
    options += [word for recipient in errand.recipients for word in ("--mail-rcpt", recipient)]
    if errand.sign_in is not None:
        options += ["--login-options", f"AUTH={errand.sign_in.mechanism}"]
        options += ["--user", f"{errand.sign_in.user}:{errand.sign_in.password}"]
    if errand.trusted:
        options += ["--ssl-reqd", "--cacert", errand.trusted]
    return ["curl", "-sS", "--verbose", *options, f"smtp://localhost:{errand.port}/curl.client.test"]


def _swaks(errand: Errand) -> list[str]:
    options = ["--from", errand.sender, "--to", ",".join(errand.recipients), "--data", f"@{errand.file}"]
    if errand.sign_in is not None:
        options += ["--auth", errand.sign_in.mechanism, "--auth-user", errand.sign_in.user]
        options += ["--auth-password", errand.sign_in.password]
    if errand.trusted:
        options += ["--tls", "--tls-verify", "--tls-ca-path", errand.trusted]
    return ["swaks", "--server", "localhost", "--port", str(errand.port), "--helo", "swaks.client.test", *options]


def _msmtp(errand: Errand) -> list[str]:
    options = [f"--from={errand.sender}"]
    if errand.sign_in is None:
        options.append("--auth=off")
    else:
        options += [f"--auth={errand.sign_in.mechanism.lower()}", f"--user={errand.sign_in.user}"]
        options.append('--passwordeval=printf %s "$MAIL_PASSWORD"')
    options += [f"--tls-trust-file={errand.trusted}", "--tls=on"] if errand.trusted else ["--tls=off"]
    server = ["--file=/dev/null", "--host=localhost", f"--port={errand.port}", "--domain=msmtp.client.test"]
    return ["msmtp", *server, *options, "--", *errand.recipients]


def _words(errand: Errand) -> list[str]:
    how = [errand.sign_in.mechanism, errand.sign_in.user] if errand.sign_in is not None else ["", ""]
    return [str(errand.port), str(errand.file), *how, errand.trusted, errand.sender, *errand.recipients]


def _perl(errand: Errand) -> list[str]:
    return ["perl", "-e", _PERL, *_words(errand)]


def _node(errand: Errand) -> list[str]:
    return ["node", "-e", _NODE, *_words(errand)]


# What each client speaks of what we speak, beside the mechanisms that need more than a password.
SPOKEN = {
    "curl": ("PLAIN", "LOGIN", "CRAM-MD5", "NTLM"),
    "swaks": ("PLAIN", "LOGIN", "CRAM-MD5"),
    "msmtp": ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"),
    "Net::SMTP": ("PLAIN", "LOGIN", "CRAM-MD5"),
    "nodemailer": ("PLAIN", "LOGIN", "CRAM-MD5"),
}
CLIENTS: dict[str, Callable[[Errand], list[str]]] = {
    "curl": _curl,
    "swaks": _swaks,
    "msmtp": _msmtp,
    "Net::SMTP": _perl,
    "nodemailer": _node,
}


_LIBRARIES = {
    "nodemailer": ("node-nodemailer", "/usr/share/nodejs/nodemailer"),
    "Net::SMTP": ("libauthen-sasl-perl", "/usr/share/perl5/Authen/SASL.pm"),
}


def missing(name: str) -> str:
    """The program that a client needs and that is not here; "" where all is."""
    command = CLIENTS[name](Errand(0, Path("/"), "", ()))
    if shutil.which(command[0]) is None:
        return command[0]
    package, path = _LIBRARIES.get(name, ("", "/"))
    return "" if Path(path).exists() else package


def send(name: str, errand: Errand) -> "subprocess.CompletedProcess[str]":
    """Have a client send the message."""
    password = errand.sign_in.password if errand.sign_in is not None else ""
    with errand.file.open("rb") as message:
        return subprocess.run(
            CLIENTS[name](errand),
            stdin=message,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
            env={**os.environ, "MAIL_PASSWORD": password},
        )
