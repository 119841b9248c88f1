// [base64]
async function base64Of(path) {
  return (await readFile(path)).toString("base64");
}

// [text]
async function textOf(path) {
  return (await readFile(path)).toString("utf8");
}

// [parse]
async function parsed(reply, field) {
  const text = await reply.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(`not JSON: ${text}`);
  }
  const found = answer?.[field] ?? [];
  if (Array.isArray(found) && !found.length) throw new Error(`no ${field} in the answer: ${text}`);
  return found;
}

// [image]
async function imageBytes(item) {
  if (item.b64_json) return Buffer.from(item.b64_json.split(",").at(-1), "base64");
  // The link is not the gateway's: the key stays here.
  const found = await fetch(item.url, { signal: AbortSignal.timeout(120_000) });
  if (!found.ok) throw new Error(`HTTP ${found.status} from ${item.url}`);
  return Buffer.from(await found.arrayBuffer());
}

// [events]
async function* events(reply) {
  if (/json|html/.test(reply.headers.get("content-type") ?? "")) {
    throw new Error(`not a stream: ${await reply.text()}`);
  }
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of reply.body) {
    // A chunk may end inside a line, and inside a character.
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      const event = JSON.parse(data || "null");
      if (!event) continue;
      if (event.error || event.type === "response.failed") {
        throw new Error(`the stream reports an error: ${data}`);
      }
      yield event;
    }
  }
}
