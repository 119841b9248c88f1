# [shape.chat]
.choices | type == "array" and length > 0

# [shape.complete]
.choices | type == "array" and length > 0

# [shape.respond]
.output | type == "array"

# [shape.embed]
.data | type == "array" and length > 0

# [shape.image]
.data | type == "array" and length > 0

# [shape.messages]
.content | type == "array" and length > 0

# [shape.generate]
.candidates | type == "array" and length > 0

# [shape.transcribe]
has("text")

# [shape.models]
.data | type == "array"

# [answer.chat]
.choices[] | .message.content // empty

# [answer.complete]
.choices[].text

# [answer.respond]
.output[].content[]? | select(.type == "output_text") | .text

# [answer.embed]
.data[].embedding

# [answer.messages]
.content[] | if .type == "text" then .text elif .type == "tool_use" then "\(.name) \(.input)" else empty end

# [answer.generate]
.candidates[0].content.parts[]? | select(.thought != true) | (.text // empty), (.functionCall // empty | tojson)

# [answer.transcribe]
.text

# [answer.models]
.data[].id

# [calls.chat]
.choices[].message.tool_calls[]?.function | .name + " " + .arguments

# [calls.respond]
.output[] | select(.type == "function_call") | .name + " " + .arguments

# [delta.chat]
.choices[]?.delta?.content // empty

# [delta.complete]
.choices[]?.text // empty

# [delta.respond]
select(.type == "response.output_text.delta") | .delta

# [delta.transcribe]
select(.type == "transcript.text.delta") | .delta

# [delta.messages]
(.content_block? | objects | select(.type == "tool_use") | "\n\(.name) "), (.delta?.text // .delta?.partial_json // empty)

# [delta.generate]
.candidates[]?.content.parts[]? | select(.thought != true) | (.text // empty), (.functionCall // empty | tojson)

# [call_delta.chat]
.choices[]?.delta?.tool_calls[]?.function | (.name | strings | select(. != "") | "\n\(.) "), (.arguments // empty)

# [call_delta.respond]
select(.type == "response.output_item.done") | .item | select(.type == "function_call") | "\n\(.name) \(.arguments)"

# [ended.chat]
.choices[]?.finish_reason | strings | select(. != "")

# [ended.complete]
.choices[]?.finish_reason | strings | select(. != "")

# [ended.respond]
select(.type == "response.completed" or .type == "response.incomplete")

# [ended.transcribe]
select(.type == "transcript.text.done")

# [ended.messages]
select(.type == "message_stop")

# [ended.generate]
.candidates[]?.finishReason | strings | select(. != "")
