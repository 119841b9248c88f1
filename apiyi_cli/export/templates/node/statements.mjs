// [refusal]
for (const name of [__NAMES__]) {
  if (existsSync(name)) throw new Error(`${name} exists already`);
}

// [answer.chat]
for (const { message } of await parsed(reply, "choices")) {
  if (message.content) console.log(message.content);
  // __CALLS__
}

// [answer.complete]
for (const { text } of await parsed(reply, "choices")) console.log(text);

// [answer.respond]
for (const item of await parsed(reply, "output")) {
  for (const part of item.content ?? []) {
    if (part.type === "output_text") console.log(part.text);
  }
  // __CALLS__
}

// [answer.embed]
for (const { embedding } of await parsed(reply, "data")) console.log(JSON.stringify(embedding));

// [answer.image]
for (const [index, item] of (await parsed(reply, "data")).entries()) {
  const name = `image-${index + 1}.__SUFFIX__`;
  await writeFile(name, await imageBytes(item));
  console.log(name);
}

// [answer.transcribe]
console.log(await parsed(reply, "text"));

// [answer.speak]
if (/json|^text\//.test(reply.headers.get("content-type") ?? "")) {
  throw new Error(`not a recording: ${await reply.text()}`);
}
await writeFile("speech.__SUFFIX__", Buffer.from(await reply.arrayBuffer()));
console.log("speech.__SUFFIX__");

// [answer.models]
for (const { id } of await parsed(reply, "data")) console.log(id);

// [answer.messages]
for (const block of await parsed(reply, "content")) {
  if (block.type === "text") console.log(block.text);
  if (block.type === "tool_use") console.log(block.name, JSON.stringify(block.input));
}

// [answer.generate]
let number = 0;
const [candidate] = await parsed(reply, "candidates");
for (const part of (candidate.content?.parts ?? []).filter(({ thought }) => !thought)) {
  if (part.text) console.log(part.text);
  if (part.functionCall) console.log(JSON.stringify(part.functionCall));
  if (!part.inlineData) continue;
  const name = `image-${++number}.__SUFFIX__`;
  await writeFile(name, Buffer.from(part.inlineData.data.split(",").at(-1), "base64"));
  console.log(name);
}

// [answer.other]
for await (const chunk of reply.body) process.stdout.write(chunk);

// [calls.chat]
for (const call of message.tool_calls ?? []) {
  console.log(call.function.name, call.function.arguments);
}

// [calls.respond]
if (item.type === "function_call") console.log(item.name, item.arguments);

// [stream]
let finished = false;
for await (const event of events(reply)) {
  // __DELTA__
}
console.log();
if (!finished) throw new Error("the stream was cut");

// [delta.chat]
for (const { delta, finish_reason } of event.choices ?? []) {
  process.stdout.write(delta?.content ?? "");
  // __CALLS__
  finished ||= Boolean(finish_reason);
}

// [delta.complete]
for (const { text, finish_reason } of event.choices ?? []) {
  process.stdout.write(text ?? "");
  finished ||= Boolean(finish_reason);
}

// [delta.respond]
if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
// __CALLS__
finished ||= event.type === "response.completed" || event.type === "response.incomplete";

// [delta.transcribe]
if (event.type === "transcript.text.delta") process.stdout.write(event.delta);
finished ||= event.type === "transcript.text.done";

// [delta.messages]
const block = event.content_block;
if (block?.type === "tool_use") process.stdout.write(`\n${block.name} `);
process.stdout.write(event.delta?.text ?? event.delta?.partial_json ?? "");
finished ||= event.type === "message_stop";

// [delta.generate]
for (const { content, finishReason } of event.candidates ?? []) {
  for (const part of content?.parts ?? []) {
    if (part.functionCall) console.log(JSON.stringify(part.functionCall));
    if (!part.thought) process.stdout.write(part.text ?? "");
  }
  finished ||= Boolean(finishReason);
}

// [call_delta.chat]
for (const { function: call } of delta?.tool_calls ?? []) {
  if (call?.name) process.stdout.write(`\n${call.name} `);
  process.stdout.write(call?.arguments ?? "");
}

// [call_delta.respond]
if (event.type === "response.output_item.done" && event.item.type === "function_call") {
  process.stdout.write(`\n${event.item.name} ${event.item.arguments}\n`);
}
