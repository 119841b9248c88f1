"""Ask with httpx and print the answer's text, or with `--ndjson` its chunks: the reference.

The best that httpx can do: its `iter_lines` decodes every line before it is cut.
"""

import os
import sys

import httpx
import orjson

url = os.environ["APIYI_BASE_URL"] + "/chat/completions"
body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": sys.argv[1]}]}
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
chunks = sys.argv[2:] == ["--ndjson"]
out = sys.stdout.buffer
held: list[bytes] = []
# The gateway speaks plain http here: certificates would be loaded for nothing.
with (
    httpx.Client(verify=False, trust_env=False, timeout=60) as client,
    client.stream("POST", url, json=body, headers=headers) as reply,
):
    for piece in reply.iter_raw():
        if b"\n" not in piece:
            held.append(piece)
            continue
        *lines, rest = b"".join((*held, piece)).split(b"\n")
        held = [rest]
        for line in lines:
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                data = line[6:]
                chunk = orjson.loads(data)
                if chunks:
                    out.write(data + b"\n")
                else:
                    for choice in chunk["choices"]:
                        out.write((choice["delta"].get("content") or "").encode())
