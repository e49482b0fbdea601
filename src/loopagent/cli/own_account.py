"""The owner's account for verbs that work on the database itself, with or without a server.

Whoever may write to the database is its owner: no password is asked for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from loopagent.auth.account import Account
from loopagent.auth.auth import Auth
from loopagent.config import read_settings
from loopagent.storage.database import Database

T = TypeVar("T")


def with_account(verb: Callable[[Account], Awaitable[T]]) -> T:
    """What `verb` gives for the account in the database of the settings."""
    settings = read_settings(os.environ)

    async def run() -> T:
        database = await asyncio.to_thread(Database.open, settings.database_url)
        try:
            auth = Auth(settings, database)
            await auth.start()
            return await verb(Account(auth.keyring, settings_password=bool(settings.password)))
        finally:
            await asyncio.to_thread(database.close)

    return asyncio.run(run())
