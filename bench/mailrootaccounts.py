"""Writes a file of Mailroot's accounts: a program that runs in Mailroot's environment, not in that of the benchmark.

Arguments: the file, and how many accounts. `mailroot account add` would take a third of a second for each.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from bench.servers import name_of, password_of
from mailroot.edge.accounts.embedded import new_account
from mailroot.edge.accounts.file import AccountFile
from mailroot.edge.accounts.passwords import PasswordHashes
from mailroot.policy.account import Account, AccountBook, KeptKeys


def write(path: str, count: int) -> None:
    """Add accounts 0 to count - 1, each with a password of its own."""
    hashes = PasswordHashes()

    def made(number: int) -> Account:
        return new_account(name_of(number), password_of(number), KeptKeys(), hashes)

    with ThreadPoolExecutor() as pool:
        accounts = list(pool.map(made, range(count)))

    def added(book: AccountBook) -> AccountBook:
        for account in accounts:
            book = book.added(account)
        return book

    AccountFile(path).change(added)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))
