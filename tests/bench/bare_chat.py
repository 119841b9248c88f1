import os
import sys

import httpx
import orjson

url = os.environ["APIYI_BASE_URL"] + "/chat/completions"
body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": sys.argv[1]}]}
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
with httpx.stream("POST", url, json=body, headers=headers) as reply:
    for line in reply.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            for choice in orjson.loads(line[6:])["choices"]:
                sys.stdout.write(choice["delta"].get("content") or "")
