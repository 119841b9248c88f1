# [refusal]
%w[__NAMES__].each { |name| abort "#{name} exists already" if File.exist?(name) }

# [answer.chat]
parsed(reply, "choices").each do |choice|
  message = choice["message"]
  puts message["content"] if message["content"]
  # __CALLS__
end

# [answer.complete]
parsed(reply, "choices").each { |choice| puts choice["text"] }

# [answer.respond]
parsed(reply, "output").each do |item|
  (item["content"] || []).each { |part| puts part["text"] if part["type"] == "output_text" }
  # __CALLS__
end

# [answer.embed]
parsed(reply, "data").each { |item| puts JSON.generate(item["embedding"]) }

# [answer.image]
parsed(reply, "data").each.with_index(1) do |item, number|
  name = "image-#{number}.__SUFFIX__"
  File.binwrite(name, image_bytes(item))
  puts name
end

# [answer.transcribe]
puts parsed(reply, "text")

# [answer.speak]
kind = reply["Content-Type"].to_s
if kind.include?("json") || kind.start_with?("text/")
  abort "not a recording: #{reply.read_body.to_s.force_encoding("UTF-8")}"
end
File.open("speech.__SUFFIX__", "wb") { |file| reply.read_body { |chunk| file << chunk } }
puts "speech.__SUFFIX__"

# [answer.models]
parsed(reply, "data").each { |item| puts item["id"] }

# [answer.messages]
parsed(reply, "content").each do |block|
  puts block["text"] if block["type"] == "text"
  puts "#{block["name"]} #{JSON.generate(block["input"])}" if block["type"] == "tool_use"
end

# [answer.generate]
number = 0
(parsed(reply, "candidates").first.dig("content", "parts") || []).each do |part|
  next if part["thought"]

  puts part["text"] unless part["text"].to_s.empty?
  puts JSON.generate(part["functionCall"]) if part["functionCall"]
  next unless part["inlineData"]

  name = "image-#{number += 1}.__SUFFIX__"
  File.binwrite(name, part["inlineData"]["data"].split(",").last.unpack1("m"))
  puts name
end

# [answer.other]
$stdout.sync = true
reply.read_body { |chunk| print chunk }

# [calls.chat]
(message["tool_calls"] || []).each do |call|
  puts "#{call["function"]["name"]} #{call["function"]["arguments"]}"
end

# [calls.respond]
puts "#{item["name"]} #{item["arguments"]}" if item["type"] == "function_call"

# [stream]
$stdout.sync = true
finished = false
events(reply) do |event|
  # __DELTA__
end
puts
abort "the stream was cut" unless finished

# [delta.chat]
(event["choices"] || []).each do |choice|
  delta = choice["delta"] || {}
  print delta["content"]
  # __CALLS__
  finished ||= choice["finish_reason"]
end

# [delta.complete]
(event["choices"] || []).each do |choice|
  print choice["text"]
  finished ||= choice["finish_reason"]
end

# [delta.respond]
print event["delta"] if event["type"] == "response.output_text.delta"
# __CALLS__
finished ||= ["response.completed", "response.incomplete"].include?(event["type"])

# [delta.transcribe]
print event["delta"] if event["type"] == "transcript.text.delta"
finished ||= event["type"] == "transcript.text.done"

# [delta.messages]
block, delta = (event["content_block"] || {}), (event["delta"] || {})
print "\n#{block["name"]} " if block["type"] == "tool_use"
print delta["text"] || delta["partial_json"]
finished ||= event["type"] == "message_stop"

# [delta.generate]
(event["candidates"] || []).each do |candidate|
  (candidate.dig("content", "parts") || []).each do |part|
    puts JSON.generate(part["functionCall"]) if part["functionCall"]
    print part["text"] unless part["thought"]
  end
  finished ||= candidate["finishReason"]
end

# [call_delta.chat]
(delta["tool_calls"] || []).each do |call|
  name, arguments = (call["function"] || {}).values_at("name", "arguments")
  print "\n#{name} " unless name.to_s.empty?
  print arguments
end

# [call_delta.respond]
item = event["item"] || {}
if event["type"] == "response.output_item.done" && item["type"] == "function_call"
  puts "\n#{item["name"]} #{item["arguments"]}"
end
