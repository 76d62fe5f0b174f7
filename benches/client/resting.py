"""A program that opens an account, and rests: `python -m benches.client.resting FOLDER PASSPHRASE`.

It says `online` when it is, and ends when nobody holds its standard input any more.  What it loads
is the SDK alone, so its memory is a client's.
"""

import asyncio
import sys
from pathlib import Path

from alcove.client import Client


async def _rest(folder: str, passphrase: str) -> None:
    async with Client(Path(folder), passphrase=passphrase) as client:
        await client.online()
        print("online", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_rest(sys.argv[1], sys.argv[2]))
