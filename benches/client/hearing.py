"""Somebody who hears messages, in a process of their own, and notes when each was on the screen.

    python -m benches.client.hearing FOLDER PASSPHRASE

It says `online` when it is.  On a line with a number it waits until it has heard so many messages
since the last such line, and prints what it has heard as one line of JSON: texts, and times in
seconds by the clock that all processes of a machine share.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Final

from alcove.client import Client, MessageReceived, News

PATIENCE_S: Final = 120.0


async def _hear(folder: str, passphrase: str) -> None:
    heard: dict[str, float] = {}

    def note(news: News) -> None:
        if isinstance(news, MessageReceived):
            heard[news.message.text] = time.perf_counter()

    async with Client(Path(folder), passphrase=passphrase) as client:
        await client.online()
        client.listen(note)
        print("online", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            count = int(line)
            await client.until(lambda count=count: len(heard) >= count, PATIENCE_S)  # type: ignore[misc]
            print(json.dumps(heard), flush=True)
            heard.clear()


if __name__ == "__main__":
    asyncio.run(_hear(sys.argv[1], sys.argv[2]))
