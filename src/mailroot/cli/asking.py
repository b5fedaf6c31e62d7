"""The grammar of the commands that ask what happened, and what would."""

import argparse


def add_explain(command: argparse.ArgumentParser) -> None:
    """The arguments of `mailroot explain`."""
    add = command.add_argument
    add("--from", metavar="ADDRESS", dest="sender", default="", help="the sender; without one, the null path <>")
    add("--to", metavar="ADDRESS", action="append", default=[], help="a recipient; may be given several times")
    add("--client", metavar="IP", default="", help="the address that the message comes from (127.0.0.1)")
    add("--auth", metavar="NAME", default="", help="the account that the client signs in to")
    add("--tls", action="store_true", help="the client asks for TLS")
    add("--size", metavar="OCTETS", type=int, help="the size that the client declares")
    add("--header", metavar="FIELD", action="append", default=[], help="a header field, such as 'Subject: x'")
    add("--hello", metavar="NAME", default="", help="what the client calls itself")
    add("--server", metavar="SERVER", default="", help="the virtual server; without one, the first that fits")
    add("--binding", metavar="ADDRESS:PORT", default="", help="the binding that the client connects to")
    add("--pickup", action="store_true", help="the message is a file in the Pickup folder")
    add("--network", action="store_true", help="ask DNS for the client's names and for the hosts of the route")
