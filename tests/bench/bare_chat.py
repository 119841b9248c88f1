"""Ask with httpx and print the answer's text, or with `--ndjson` its chunks: the reference."""

import os
import sys

import httpx
import orjson

url = os.environ["APIYI_BASE_URL"] + "/chat/completions"
body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": sys.argv[1]}]}
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
chunks = sys.argv[2:] == ["--ndjson"]
# The gateway speaks plain http here: certificates would be loaded for nothing.
with (
    httpx.Client(verify=False, trust_env=False, timeout=60) as client,
    client.stream("POST", url, json=body, headers=headers) as reply,
):
    for line in reply.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            chunk = orjson.loads(line[6:])
            if chunks:
                sys.stdout.write(line[6:] + "\n")
            else:
                for choice in chunk["choices"]:
                    sys.stdout.write(choice["delta"].get("content") or "")
