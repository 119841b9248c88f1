import asyncio
import os
import sys

import orjson
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

rows, out, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])


async def main() -> None:
    base_url, key = os.environ["APIYI_BASE_URL"], os.environ["APIYI_API_KEY"]
    # Without certificates, which it would load for nothing, and without models of the answers.
    http_client = DefaultAsyncHttpxClient(verify=False, trust_env=False)
    client = AsyncOpenAI(base_url=base_url, api_key=key, http_client=http_client)
    room = asyncio.Semaphore(jobs)
    with open(rows, "rb") as lines, open(out, "wb") as file:

        async def ask(row: dict[str, str]) -> None:
            async with room:
                reply = await client.chat.completions.with_raw_response.create(
                    model="m", messages=[{"role": "user", "content": row["prompt"]}]
                )
                record = {"id": row["id"], "body": orjson.loads(reply.content)}
                file.write(orjson.dumps(record) + b"\n")

        await asyncio.gather(*(ask(orjson.loads(line)) for line in lines))


asyncio.run(main())
