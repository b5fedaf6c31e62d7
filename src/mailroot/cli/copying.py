"""The grammar of the commands that copy a configuration (`cli.config`)."""

import argparse


def add_config(group: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the words behind `config`."""
    words = group.add_subparsers(dest="word", metavar="WHAT", required=True)
    sentence = "Write the configuration in a form for another machine."
    leaving = words.add_parser("export", help=sentence, description=sentence, parents=[common], allow_abbrev=False)
    leaving.add_argument("to", metavar="FILE", nargs="?", default="", help="a file; without one, standard output")
    leaving.add_argument("--secrets", action="store_true", help="with the secrets that stand in it; into a file only")
    sentence = "Take a configuration from another machine, and adapt what was that machine's own."
    coming = words.add_parser("import", help=sentence, description=sentence, parents=[common], allow_abbrev=False)
    coming.add_argument("source", metavar="FILE", help="what was exported, or a settings file; - is standard input")
    known = "another value on this machine, such as servers.default.general.bindings='[\"192.0.2.7:25\"]'"
    coming.add_argument("--adapt", metavar="KEY=VALUE", action="append", help=known)
    coming.add_argument("--dry-run", action="store_true", help="only show what would be adapted")
    for one in (leaving, coming):
        one.add_argument("--force", action="store_true", help="even where the file is there already")
        one.set_defaults(grammar=one)
