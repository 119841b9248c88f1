import os
import sys

import httpx
import orjson

url = os.environ["APIYI_BASE_URL"] + "/embeddings"
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
lines = sys.stdin.read().splitlines()
with httpx.Client(headers=headers, timeout=60, verify=False, trust_env=False) as client:
    for start in range(0, len(lines), 256):
        batch = lines[start : start + 256]
        reply = client.post(url, json={"model": "m", "input": batch})
        data = orjson.loads(reply.content)["data"]
        for place, item in enumerate(data):
            record = {"index": start + place, "text": batch[place], "embedding": item["embedding"]}
            sys.stdout.buffer.write(orjson.dumps(record) + b"\n")
