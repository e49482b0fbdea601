"""`loop-agent token`: tokens for programs, made and revoked where the database is."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime

from loopagent.auth.account import Account
from loopagent.auth.principal import LOCAL_PRINCIPAL
from loopagent.cli.own_account import with_account
from loopagent.storage.tokens import Token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's deeds and their options."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    create = deeds.add_parser("create", help="make a token and print it, this once")
    create.add_argument("name", help="what will use it")
    create.add_argument(
        "--scope",
        choices=("read", "write", "admin"),
        default="write",
        help="read: look; write: work with sessions, too; admin: everything [write]",
    )
    deeds.add_parser("ls", help="list the tokens")
    revoke = deeds.add_parser("revoke", help="end tokens")
    revoke.add_argument(
        "tokens", nargs="+", metavar="token", help="the tokens' ids, as ls has them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make, list or revoke; the secret alone goes to standard output."""
    if arguments.deed == "create":
        token, secret = with_account(
            lambda account: account.create_token(LOCAL_PRINCIPAL, arguments.name, arguments.scope)
        )
        print(f"{token.id}: copy the token now, it is shown this once.", file=sys.stderr)
        print(secret)
    elif arguments.deed == "ls":
        for token in with_account(lambda account: account.tokens(LOCAL_PRINCIPAL)):
            print(_line(token))
    else:
        with_account(lambda account: _revoke(account, arguments.tokens))
    return 0


async def _revoke(account: Account, token_ids: list[str]) -> None:
    for token_id in token_ids:
        await account.revoke_token(LOCAL_PRINCIPAL, token_id)
        print(f"revoked {token_id}")


def _line(token: Token) -> str:
    scopes = ",".join(sorted(token.scopes))
    used = f"used {_day(token.last_used_at)}" if token.last_used_at else "not used yet"
    return f"{token.id}  {scopes:16}  made {_day(token.created_at)}  {used:15}  {token.name}"


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")
