# [refusal]
for name in [__NAMES__]:
    if os.path.lexists(name):
        sys.exit(f"{name} exists already")

# [answer.chat]
for choice in reply.choices:
    if choice.message.content:
        print(choice.message.content)
    # __CALLS__

# [answer.complete]
for choice in reply.choices:
    print(choice.text)

# [answer.respond]
for item in reply.output:
    for part in getattr(item, "content", None) or []:
        if part.type == "output_text":
            print(part.text)
    # __CALLS__

# [answer.embed]
for item in reply.data:
    print(item.embedding)

# [answer.image]
for number, item in enumerate(reply.data, 1):
    path = Path(f"image-{number}.__SUFFIX__")
    if item.b64_json:
        path.write_bytes(base64.b64decode(item.b64_json.split(",")[-1]))
    else:
        # The link is not the gateway's: the key stays here.
        if not (item.url or "").startswith(("https:", "http:")):
            sys.exit(f"no image {number} in the answer")
        with urlopen(item.url, timeout=120) as found:
            path.write_bytes(found.read())
    print(path)

# [answer.models]
for model in reply:
    print(model.id)

# [answer.messages]
answer = json.loads(reply.content)
if not isinstance(answer, dict) or not answer.get("content"):
    sys.exit(f"no content in the answer: {reply.text}")
for block in answer["content"]:
    if block["type"] == "text":
        print(block["text"])
    elif block["type"] == "tool_use":
        print(block["name"], json.dumps(block["input"], ensure_ascii=False))

# [answer.generate]
answer = json.loads(reply.content)
if not isinstance(answer, dict) or not answer.get("candidates"):
    sys.exit(f"no candidates in the answer: {reply.text}")
number = 0
for part in answer["candidates"][0].get("content", {}).get("parts") or []:
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

# [calls.chat]
for call in choice.message.tool_calls or []:
    print(call.function.name, call.function.arguments)

# [calls.respond]
if item.type == "function_call":
    print(item.name, item.arguments)

# [stream]
finished = False
with __CALL__ as stream:
    kind = stream.response.headers.get("Content-Type", "")
    if "json" in kind or "html" in kind:
        sys.exit(f"not a stream: {stream.response.read().decode()}")
    for event in stream:
        __DELTA__
print()
if not finished:
    sys.exit("the stream was cut")

# [delta.chat]
for choice in event.choices or []:
    if choice.delta:
        print(choice.delta.content or "", end="", flush=True)
        # __CALLS__
    finished = finished or bool(choice.finish_reason)

# [delta.complete]
for choice in event.choices or []:
    print(choice.text or "", end="", flush=True)
    finished = finished or bool(choice.finish_reason)

# [delta.respond]
if event.type == "response.output_text.delta":
    print(event.delta, end="", flush=True)
elif event.type == "response.failed":
    sys.exit(f"the stream reports an error: {event.response.error}")
# __CALLS__
finished = finished or event.type in ("response.completed", "response.incomplete")

# [delta.transcribe]
if event.type == "transcript.text.delta":
    print(event.delta, end="", flush=True)
finished = finished or event.type == "transcript.text.done"

# [delta.messages]
event = event.get("data") or event
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
for call in choice.delta.tool_calls or []:
    if call.function and call.function.name:
        print("\n" + call.function.name, end=" ")
    if call.function:
        print(call.function.arguments or "", end="", flush=True)

# [call_delta.respond]
if event.type == "response.output_item.done" and event.item.type == "function_call":
    print("\n" + event.item.name, event.item.arguments)

# [expected]
if not getattr(reply, "__FIELD__", None):
    sys.exit(f"no __FIELD__ in the answer: {reply}")

# [heard]
if not hasattr(reply, "text"):
    sys.exit(f"no text in the answer: {reply}")
print(reply.text)

# [sound]
with __CALL__ as reply:
    kind = reply.headers.get("Content-Type", "")
    if "json" in kind or kind.startswith("text/"):
        sys.exit(f"not a recording: {reply.read().decode()}")
    reply.stream_to_file("speech.__SUFFIX__")
print("speech.__SUFFIX__")

# [events]
with __CALL__ as stream:
    for event in stream:
        print(json.dumps(event, ensure_ascii=False), flush=True)
