# [refusal]
for name in [__NAMES__]:
    if os.path.lexists(name):
        sys.exit(f"{name} exists already")

# [answer.chat]
for choice in parsed(reply, "choices"):
    message = choice["message"]
    if message.get("content"):
        print(message["content"])
    # __CALLS__

# [answer.complete]
for choice in parsed(reply, "choices"):
    print(choice["text"])

# [answer.respond]
for item in parsed(reply, "output"):
    for part in item.get("content") or []:
        if part["type"] == "output_text":
            print(part["text"])
    # __CALLS__

# [answer.embed]
for item in parsed(reply, "data"):
    print(json.dumps(item["embedding"]))

# [answer.image]
for number, item in enumerate(parsed(reply, "data"), 1):
    path = Path(f"image-{number}.__SUFFIX__")
    path.write_bytes(image_bytes(item))
    print(path)

# [answer.transcribe]
print(parsed(reply, "text"))

# [answer.speak]
kind = reply.headers.get("Content-Type", "")
if "json" in kind or kind.startswith("text/"):
    sys.exit(f"not a recording: {reply.text}")
with open("speech.__SUFFIX__", "wb") as file:
    for chunk in reply.iter_content(65536):
        file.write(chunk)
print("speech.__SUFFIX__")

# [answer.models]
for item in parsed(reply, "data"):
    print(item["id"])

# [answer.messages]
for block in parsed(reply, "content"):
    if block["type"] == "text":
        print(block["text"])
    elif block["type"] == "tool_use":
        print(block["name"], json.dumps(block["input"], ensure_ascii=False))

# [answer.generate]
number = 0
for part in parsed(reply, "candidates")[0].get("content", {}).get("parts") or []:
    if part.get("thought"):
        continue
    if part.get("text"):
        print(part["text"])
    if part.get("functionCall"):
        print(json.dumps(part["functionCall"], ensure_ascii=False))
    if part.get("inlineData"):
        number += 1
        path = Path(f"image-{number}.__SUFFIX__")
        path.write_bytes(base64.b64decode(part["inlineData"]["data"].split(",")[-1]))
        print(path)

# [answer.other]
for chunk in reply.iter_content(65536):
    sys.stdout.buffer.write(chunk)

# [calls.chat]
for call in message.get("tool_calls") or []:
    print(call["function"]["name"], call["function"]["arguments"])

# [calls.respond]
if item["type"] == "function_call":
    print(item["name"], item["arguments"])

# [stream]
finished = False
for event in events(reply):
    __DELTA__
print()
if not finished:
    sys.exit("the stream was cut")

# [delta.chat]
for choice in event.get("choices") or []:
    delta = choice.get("delta") or {}
    print(delta.get("content") or "", end="", flush=True)
    # __CALLS__
    finished = finished or bool(choice.get("finish_reason"))

# [delta.complete]
for choice in event.get("choices") or []:
    print(choice.get("text") or "", end="", flush=True)
    finished = finished or bool(choice.get("finish_reason"))

# [delta.respond]
if event.get("type") == "response.output_text.delta":
    print(event["delta"], end="", flush=True)
# __CALLS__
finished = finished or event.get("type") in ("response.completed", "response.incomplete")

# [delta.transcribe]
if event.get("type") == "transcript.text.delta":
    print(event["delta"], end="", flush=True)
finished = finished or event.get("type") == "transcript.text.done"

# [delta.messages]
delta = event.get("delta") or {}
if (event.get("content_block") or {}).get("type") == "tool_use":
    print("\n" + event["content_block"]["name"], end=" ")
print(delta.get("text") or delta.get("partial_json") or "", end="", flush=True)
finished = finished or event.get("type") == "message_stop"

# [delta.generate]
for candidate in event.get("candidates") or []:
    for part in candidate.get("content", {}).get("parts") or []:
        if part.get("functionCall"):
            print(json.dumps(part["functionCall"], ensure_ascii=False))
        if not part.get("thought"):
            print(part.get("text") or "", end="", flush=True)
    finished = finished or bool(candidate.get("finishReason"))

# [call_delta.chat]
for call in delta.get("tool_calls") or []:
    function = call.get("function") or {}
    if function.get("name"):
        print("\n" + function["name"], end=" ")
    print(function.get("arguments") or "", end="", flush=True)

# [call_delta.respond]
if event.get("type") == "response.output_item.done" and event["item"]["type"] == "function_call":
    print("\n" + event["item"]["name"], event["item"]["arguments"])
