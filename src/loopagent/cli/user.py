"""`loop-agent user`: the password, for those who are locked out."""

from __future__ import annotations

import argparse
import getpass
import sys

from loopagent.auth.account import Account
from loopagent.auth.principal import LOCAL_PRINCIPAL
from loopagent.cli.own_account import with_account
from loopagent.errors import InvalidRequestError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's deeds and their options."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    summary = "Set a password (from the terminal, or the first line of standard input)."
    passwd = deeds.add_parser("passwd", help=summary, description=summary)
    passwd.add_argument("--remove", action="store_true", help="remove the password instead")


def run(arguments: argparse.Namespace) -> int:
    """Set or remove the password; all browsers are signed out."""
    password = None if arguments.remove else _ask()
    overruled = with_account(lambda account: _reset(account, password))
    done = "removed" if password is None else "set"
    print(f"The password is {done}; all browsers are signed out.")
    if overruled:
        print("LOOP_AGENT_PASSWORD is set and stands in its place as long as it is.")
    return 0


async def _reset(account: Account, password: str | None) -> bool:
    await account.reset_password(LOCAL_PRINCIPAL, password)
    return account.settings_password


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("New password: ")
    if getpass.getpass("The same again: ") != password:
        raise InvalidRequestError("The two passwords differ. Write the same one twice.")
    return password
