import os
import sys

import httpx
import orjson

url = os.environ["APIYI_BASE_URL"] + "/rerank"
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
lines = sys.stdin.read().splitlines()
scored = []
with httpx.Client(headers=headers, timeout=60, verify=False, trust_env=False) as client:
    for start in range(0, len(lines), 100):
        piece = lines[start : start + 100]
        reply = client.post(url, json={"model": "m", "query": "q", "documents": piece})
        for item in orjson.loads(reply.content)["results"]:
            scored.append((item["relevance_score"], piece[item["index"]]))
for _, line in sorted(scored, key=lambda pair: -pair[0]):
    sys.stdout.write(line + "\n")
