"""Ask for a picture with httpx, decode its base64 and write the file: the honest reference."""

import base64
import os
import sys

import httpx

root = os.environ["APIYI_BASE_URL"].removesuffix("/v1")
url = f"{root}/v1beta/models/gemini-3-pro-image:generateContent"
body = {"contents": [{"role": "user", "parts": [{"text": "cat"}]}]}
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
reply = httpx.post(url, json=body, headers=headers, timeout=600, verify=False, trust_env=False)
part = reply.json()["candidates"][0]["content"]["parts"][0]
with open(sys.argv[1], "wb") as file:
    file.write(base64.b64decode(part["inlineData"]["data"]))
