import asyncio
import os
import sys

import orjson
from openai import AsyncOpenAI

rows, out, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])


async def main() -> None:
    base_url, key = os.environ["APIYI_BASE_URL"], os.environ["APIYI_API_KEY"]
    client = AsyncOpenAI(base_url=base_url, api_key=key)
    room = asyncio.Semaphore(jobs)
    with open(rows, "rb") as lines, open(out, "wb") as file:

        async def ask(row: dict[str, str]) -> None:
            async with room:
                reply = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": row["prompt"]}]
                )
                record = {"id": row["id"], "body": reply.model_dump(mode="json")}
                file.write(orjson.dumps(record) + b"\n")

        await asyncio.gather(*(ask(orjson.loads(line)) for line in lines))


asyncio.run(main())
