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
    add("--message", metavar="ID", default="", help="a message of the past, by any name that `mailroot trace` knows")
    add("--against", metavar="FILE", default="", help="settings to compare with: whose fate would change")
    add(
        "--since",
        metavar="TIME",
        default="",
        help="with --against or --message, recorded messages not before: 2d ago, or 2026-11-28",
    )
    add("--until", metavar="TIME", default="", help="not after, in the same form")
    add(
        "--limit", metavar="N", type=int, default=0, help="how many recorded messages at most (10000), the newest first"
    )
    add("--network", action="store_true", help="ask DNS for the client's names and for the hosts of the route")


def add_trace(command: argparse.ArgumentParser) -> None:
    """The arguments of `mailroot trace`."""
    named = (
        "a Message-ID, the key of a queue entry, an address, a next hop, a session, a client's IP; with or without <>"
    )
    command.add_argument("what", metavar="WHAT", nargs="?", default="", help=named)
    command.add_argument("--server", metavar="KEY", default="", help="only of this virtual server")
    command.add_argument("--since", metavar="TIME", default="", help="not before: 15m ago, or 2026-11-28T09:30")
    command.add_argument("--until", metavar="TIME", default="", help="not after, in the same form")
    command.add_argument("--limit", metavar="N", type=int, default=20, help="how many messages at most (20)")
