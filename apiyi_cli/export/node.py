"""A Call as a Node program: an ECMAScript module on the built-in fetch, without packages."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.outline import Field, FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import Notation, fill, javascript, json_text, layout
from apiyi_cli.text import Text

_PROGRAM = """\
// Needs Node 20 or newer; save as program.mjs.
«imports»

const url = «url»;
«functions»

async function main() {
  const key = process.env.APIYI_API_KEY;
  if (!key) throw new Error("APIYI_API_KEY is not set");
  «refusal»
  «body»
  const reply = await fetch(url, {
    method: «method»,
    headers: «headers»,
    «sent»
    redirect: "manual",
    signal: AbortSignal.timeout(«timeout»),
  });
  if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${await reply.text()}`);
  «shown»
}

try {
  await main();
} catch (error) {
  console.error(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
}
"""

_BASE64 = """
async function base64Of(path) {
  return (await readFile(path)).toString("base64");
}
"""

_TEXT = """
async function textOf(path) {
  return (await readFile(path)).toString("utf8");
}
"""

_PARSED = """
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
"""

_SAVED = """
async function imageBytes(item) {
  if (item.b64_json) return Buffer.from(item.b64_json.split(",").at(-1), "base64");
  // The link is not the gateway's: the key stays here.
  const found = await fetch(item.url, { signal: AbortSignal.timeout(120_000) });
  if (!found.ok) throw new Error(`HTTP ${found.status} from ${item.url}`);
  return Buffer.from(await found.arrayBuffer());
}
"""

_EVENTS = """
async function* events(reply) {
  if (/json|html/.test(reply.headers.get("content-type") ?? "")) {
    throw new Error(`not a stream: ${await reply.text()}`);
  }
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of reply.body) {
    // A chunk may end inside a line, and inside a character.
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\\n");
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
"""

_STREAM = """\
let finished = false;
for await (const event of events(reply)) {
  «delta»
}
console.log();
if (!finished) throw new Error("the stream was cut");"""

_DELTAS = {
    "chat": """\
for (const { delta, finish_reason } of event.choices ?? []) {
  process.stdout.write(delta?.content ?? "");
  «calls»
  finished ||= Boolean(finish_reason);
}""",
    "complete": """\
for (const { text, finish_reason } of event.choices ?? []) {
  process.stdout.write(text ?? "");
  finished ||= Boolean(finish_reason);
}""",
    "respond": """\
if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
«calls»
finished ||= event.type === "response.completed" || event.type === "response.incomplete";""",
    "transcribe": """\
if (event.type === "transcript.text.delta") process.stdout.write(event.delta);
finished ||= event.type === "transcript.text.done";""",
}

_CALL_DELTAS = {
    "chat": """\
for (const { function: call } of delta?.tool_calls ?? []) {
  if (call?.name) process.stdout.write(`\\n${call.name} `);
  process.stdout.write(call?.arguments ?? "");
}""",
    "respond": """\
if (event.type === "response.output_item.done" && event.item.type === "function_call") {
  process.stdout.write(`\\n${event.item.name} ${event.item.arguments}\\n`);
}""",
}

_ANSWERS = {
    "chat": """\
for (const { message } of await parsed(reply, "choices")) {
  if (message.content) console.log(message.content);
  «calls»
}""",
    "complete": """\
for (const { text } of await parsed(reply, "choices")) console.log(text);""",
    "respond": """\
for (const item of await parsed(reply, "output")) {
  for (const part of item.content ?? []) {
    if (part.type === "output_text") console.log(part.text);
  }
  «calls»
}""",
    "embed": """\
for (const { embedding } of await parsed(reply, "data")) console.log(JSON.stringify(embedding));""",
    "image": """\
for (const [index, item] of (await parsed(reply, "data")).entries()) {
  const name = `image-${index + 1}.«suffix»`;
  await writeFile(name, await imageBytes(item));
  console.log(name);
}""",
    "transcribe": """\
console.log(await parsed(reply, "text"));""",
    "speak": """\
if (/json|^text\\//.test(reply.headers.get("content-type") ?? "")) {
  throw new Error(`not a recording: ${await reply.text()}`);
}
await writeFile("speech.«suffix»", Buffer.from(await reply.arrayBuffer()));
console.log("speech.«suffix»");""",
    "models": """\
for (const { id } of await parsed(reply, "data")) console.log(id);""",
    "other": """\
for await (const chunk of reply.body) process.stdout.write(chunk);""",
}

_CALLS = {
    "chat": """\
for (const call of message.tool_calls ?? []) {
  console.log(call.function.name, call.function.arguments);
}""",
    "respond": """\
if (item.type === "function_call") console.log(item.name, item.arguments);""",
}
_EXACT = 2**53
# Node's fetch gives up on headers that take longer, whatever the signal says.
_HEADERS_S = 300

_REFUSED = """\
for (const name of [«names»]) {
  if (existsSync(name)) throw new Error(`${name} exists already`);
}"""

_BLOCKS = Blocks(
    base64=_BASE64,
    text=_TEXT,
    parsed=_PARSED,
    saved=_SAVED,
    events=_EVENTS,
    stream=_STREAM,
    deltas=_DELTAS,
    call_deltas=_CALL_DELTAS,
    answers=_ANSWERS,
    calls=_CALLS,
    refused=_REFUSED,
)


def program(call: Call, base_url: str) -> Program:
    """Write the call as an ECMAScript module for Node."""
    plan = outline(call, base_url)
    body, sent = _body(plan)
    shown = _BLOCKS.shown(plan)
    functions = _BLOCKS.functions(plan)
    code = functions + body + shown
    names = [name for name in ("readFile", "writeFile") if f"{name}(" in code]
    imports = ['import { existsSync } from "node:fs";'] if plan.saves else []
    if names:
        imports.append(f'import {{ {", ".join(names)} }} from "node:fs/promises";')
    text = fill(
        _PROGRAM,
        imports="\n".join(imports),
        url=javascript(plan.url),
        functions=functions,
        refusal=_BLOCKS.refusal(plan, javascript),
        body=body,
        method=javascript(plan.method),
        headers=_headers(plan),
        sent=sent,
        timeout=f"{plan.timeout_s}_000",
        shown=shown,
    )
    return Program(text, (*plan.notes, *_notes(plan)))


def _notes(plan: Outline) -> list[str]:
    notes: list[str] = []
    if not plan.stream and plan.timeout_s > _HEADERS_S:
        notes.append(
            Text(
                "Node's fetch waits at most {headers_s} s for an answer to begin",
                headers_s=_HEADERS_S,
            )
        )
    if any(re.search(r"\r(?!\n)|(?<!\r)\n", field.value or "") for field in plan.fields):
        notes.append(Text("Node's FormData sends the line ends of a field as CR LF"))
    return notes


def _headers(plan: Outline) -> str:
    lines = ["    Authorization: `Bearer ${key}`,"]
    for name, value in plan.headers:
        lines.append(f"    {_key(name)}{javascript(value)},")
    return "\n".join(["{", *(f"  {line}" for line in lines), "    }"])


def _key(key: str) -> str:
    if key == "__proto__":
        return '["__proto__"]: '
    return f"{key}: " if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) else f"{javascript(key)}: "


def _read(piece: FilePiece) -> str:
    return f"await {'textOf' if piece.text else 'base64Of'}({javascript(piece.path)})"


def _value(value: Any) -> str:
    def pieced(pieces: tuple[str | FilePiece, ...]) -> str:
        told = (javascript(one) if isinstance(one, str) else f"({_read(one)})" for one in pieces)
        return " + ".join(told)

    return layout(value, Notation(javascript, _key, pieced, padding=" "))


def _body(plan: Outline) -> tuple[str, str]:
    if plan.body is not None and _ordered(plan.body):
        return f"const body = {_value(plan.body)};", "body: JSON.stringify(body),"
    if plan.body is not None:
        # JSON text, because an object would round a number or move a key.
        text = json_text(
            plan.body, lambda piece: f"${{JSON.stringify({_read(piece)}).slice(1, -1)}}", "`$"
        )
        return f"const body = String.raw`{text}`;", "body,"
    if plan.raw_path is not None:
        return f"const body = await readFile({javascript(plan.raw_path)});", "body,"
    if plan.raw is not None:
        text_or_none = blob_text(plan.raw)
        literal = javascript(text_or_none) if text_or_none is not None else _bytes(plan.raw)
        return f"const body = {literal};", "body,"
    if plan.fields:
        return "\n".join(["const body = new FormData();", *map(_append, plan.fields)]), "body,"
    return "", ""


def _ordered(value: Any) -> bool:
    """Tell whether an object literal keeps every number and the order of every key."""
    if isinstance(value, dict):
        whole = [key for key in value if re.fullmatch(r"0|[1-9]\d*", key, re.ASCII)]
        in_place = whole == sorted(whole, key=int) == list(value)[: len(whole)]
        return in_place and all(map(_ordered, value.values()))
    if isinstance(value, list):
        return all(map(_ordered, value))
    return not isinstance(value, int) or abs(value) < _EXACT


def _bytes(content: bytes) -> str:
    return f'Buffer.from("{b64encode(content).decode()}", "base64")'


def _append(field: Field) -> str:
    name = javascript(field.name)
    if field.value is not None:
        return f"body.append({name}, {javascript(field.value)});"
    content = _bytes(field.content)
    if field.path is not None:
        content = f"await readFile({javascript(field.path)})"
    blob = f"new Blob([{content}], {{ type: {javascript(field.type)} }})"
    return f"body.append({name}, {blob}, {javascript(field.filename)});"
