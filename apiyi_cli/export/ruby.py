"""A Call as a Ruby program on Net::HTTP, without gems."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.outline import Field, FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import Notation, fill, layout, ruby

_PROGRAM = """\
# Needs Ruby 3.0 or newer.
require "json"
require "net/http"
«requires»

URL = URI(«url»)
«functions»

def main
  key = ENV.fetch("APIYI_API_KEY") { abort "APIYI_API_KEY is not set" }
  «refusal»
  request = Net::HTTPGenericRequest.new(«method», «sends», «shows», URL)
  request["Authorization"] = "Bearer #{key}"
  «headers»
  «body»
  options = { use_ssl: URL.scheme == "https", open_timeout: 10, read_timeout: «silence» }
  Net::HTTP.start(URL.host, URL.port, **options) do |http|
    http.request(request) do |reply|
      unless reply.is_a?(Net::HTTPSuccess)
        abort "HTTP #{reply.code}: #{reply.read_body.to_s.force_encoding("UTF-8")}"
      end
      «shown»
    end
  end
end

begin
  main
rescue StandardError => error
  abort "#{error.class}: #{error.message}"
end
"""

_BASE64 = """
def base64_of(path)
  [File.binread(path)].pack("m0")
end
"""

_TEXT = """
def text_of(path)
  File.binread(path).force_encoding("UTF-8")
end
"""

_PARSED = """
def parsed(reply, field)
  text = reply.read_body.to_s.force_encoding("UTF-8")
  answer = JSON.parse(text)
  found = answer[field] if answer.is_a?(Hash)
  abort "no #{field} in the answer: #{text}" if [nil, []].include?(found)
  found
rescue JSON::ParserError
  abort "not JSON: #{text}"
end
"""

_SAVED = """
def image_bytes(item)
  return item["b64_json"].split(",").last.unpack1("m") unless item["b64_json"].to_s.empty?

  # The link is not the gateway's: the key stays here.
  found = Net::HTTP.get_response(URI(item.fetch("url")))
  abort "HTTP #{found.code} from #{item["url"]}" unless found.is_a?(Net::HTTPSuccess)
  found.body
end
"""

_EVENTS = """
def events(reply)
  if reply["Content-Type"].to_s.match?(/json|html/)
    abort "not a stream: #{reply.read_body.to_s.force_encoding("UTF-8")}"
  end
  rest = "".b
  reply.read_body do |chunk|
    # A chunk may end inside a line, and inside a character.
    rest << chunk
    while (line = rest.slice!(/\\A.*\\n/))
      next unless line.start_with?("data:")

      data = line.delete_prefix("data:").strip.force_encoding("UTF-8")
      next if data == "[DONE]"

      event = JSON.parse(data.empty? ? "null" : data)
      next unless event

      failed = event["error"] || event["type"] == "response.failed"
      abort "the stream reports an error: #{data}" if failed
      yield event
    end
  end
end
"""

_STREAM = """\
$stdout.sync = true
finished = false
events(reply) do |event|
  «delta»
end
puts
abort "the stream was cut" unless finished"""

_DELTAS = {
    "chat": """\
(event["choices"] || []).each do |choice|
  delta = choice["delta"] || {}
  print delta["content"]
  «calls»
  finished ||= choice["finish_reason"]
end""",
    "complete": """\
(event["choices"] || []).each do |choice|
  print choice["text"]
  finished ||= choice["finish_reason"]
end""",
    "respond": """\
print event["delta"] if event["type"] == "response.output_text.delta"
«calls»
finished ||= ["response.completed", "response.incomplete"].include?(event["type"])""",
    "transcribe": """\
print event["delta"] if event["type"] == "transcript.text.delta"
finished ||= event["type"] == "transcript.text.done\"""",
}

_CALL_DELTAS = {
    "chat": """\
(delta["tool_calls"] || []).each do |call|
  name, arguments = (call["function"] || {}).values_at("name", "arguments")
  print "\\n#{name} " unless name.to_s.empty?
  print arguments
end""",
    "respond": """\
item = event["item"] || {}
if event["type"] == "response.output_item.done" && item["type"] == "function_call"
  puts "\\n#{item["name"]} #{item["arguments"]}"
end""",
}

_ANSWERS = {
    "chat": """\
parsed(reply, "choices").each do |choice|
  message = choice["message"]
  puts message["content"] if message["content"]
  «calls»
end""",
    "complete": """\
parsed(reply, "choices").each { |choice| puts choice["text"] }""",
    "respond": """\
parsed(reply, "output").each do |item|
  (item["content"] || []).each { |part| puts part["text"] if part["type"] == "output_text" }
  «calls»
end""",
    "embed": """\
parsed(reply, "data").each { |item| puts JSON.generate(item["embedding"]) }""",
    "image": """\
parsed(reply, "data").each.with_index(1) do |item, number|
  name = "image-#{number}.«suffix»"
  File.binwrite(name, image_bytes(item))
  puts name
end""",
    "transcribe": """\
puts parsed(reply, "text")""",
    "speak": """\
kind = reply["Content-Type"].to_s
if kind.include?("json") || kind.start_with?("text/")
  abort "not a recording: #{reply.read_body.to_s.force_encoding("UTF-8")}"
end
File.open("speech.«suffix»", "wb") { |file| reply.read_body { |chunk| file << chunk } }
puts "speech.«suffix»\"""",
    "models": """\
parsed(reply, "data").each { |item| puts item["id"] }""",
    "other": """\
$stdout.sync = true
reply.read_body { |chunk| print chunk }""",
}

_CALLS = {
    "chat": """\
(message["tool_calls"] || []).each do |call|
  puts "#{call["function"]["name"]} #{call["function"]["arguments"]}"
end""",
    "respond": """\
puts "#{item["name"]} #{item["arguments"]}" if item["type"] == "function_call\"""",
}

_REFUSED = """\
%w[«names»].each { |name| abort "#{name} exists already" if File.exist?(name) }"""

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
    """Write the call as a Ruby program."""
    plan = outline(call, base_url)
    body = _body(plan)
    text = fill(
        _PROGRAM,
        requires='require "stringio"' if "StringIO" in body else "",
        url=ruby(plan.url),
        functions=_BLOCKS.functions(plan),
        refusal=_BLOCKS.refusal(plan, str, " "),
        method=ruby(plan.method),
        sends=str(plan.has_body).lower(),
        shows=str(plan.method != "HEAD").lower(),
        headers="\n".join(f"request[{ruby(name)}] = {ruby(value)}" for name, value in plan.headers),
        body=body,
        silence=str(plan.silence_s),
        shown=_BLOCKS.shown(plan),
    )
    return Program(text, plan.notes)


def _key(key: str) -> str:
    return f"{key}: " if re.fullmatch(r"[a-z_]\w*", key, re.ASCII) else f"{ruby(key)}: "


def _value(value: Any) -> str:
    def piece(one: str | FilePiece) -> str:
        if isinstance(one, str):
            return ruby(one)
        return f"{'text_of' if one.text else 'base64_of'}({ruby(one.path)})"

    def pieced(pieces: tuple[str | FilePiece, ...]) -> str:
        return " + ".join(map(piece, pieces))

    return layout(value, Notation(ruby, _key, pieced, null="nil", last_comma=False, padding=" "))


def _body(plan: Outline) -> str:
    if plan.body is not None:
        return f"request.body = JSON.generate({_value(plan.body)})"
    if plan.raw_path is not None:
        return f"request.body = File.binread({ruby(plan.raw_path)})"
    if plan.raw is not None:
        text = blob_text(plan.raw)
        return f"request.body = {_bytes(plan.raw) if text is None else ruby(text)}"
    if plan.fields:
        fields = "\n".join(f"  {_field(one)}," for one in plan.fields)
        return f'form = [\n{fields}\n]\nrequest.set_form(form, "multipart/form-data")'
    return ""


def _bytes(content: bytes) -> str:
    return f'"{b64encode(content).decode()}".unpack1("m")'


def _field(field: Field) -> str:
    if field.value is not None:
        return f"[{ruby(field.name)}, {ruby(field.value)}]"
    content = f"StringIO.new({_bytes(field.content)})"
    if field.path is not None:
        content = f'File.open({ruby(field.path)}, "rb")'
    about = f"{{ filename: {ruby(field.filename)}, content_type: {ruby(field.type)} }}"
    return f"[{ruby(field.name)}, {content}, {about}]"
