# [base64]
def base64_of(path)
  [File.binread(path)].pack("m0")
end

# [text]
def text_of(path)
  File.binread(path).force_encoding("UTF-8")
end

# [parse]
def parsed(reply, field)
  text = reply.read_body.to_s.force_encoding("UTF-8")
  answer = JSON.parse(text)
  found = answer[field] if answer.is_a?(Hash)
  abort "no #{field} in the answer: #{text}" if [nil, []].include?(found)
  found
rescue JSON::ParserError
  abort "not JSON: #{text}"
end

# [image]
def image_bytes(item)
  return item["b64_json"].split(",").last.unpack1("m") unless item["b64_json"].to_s.empty?

  # The link is not the gateway's: the key stays here.
  found = Net::HTTP.get_response(URI(item.fetch("url")))
  abort "HTTP #{found.code} from #{item["url"]}" unless found.is_a?(Net::HTTPSuccess)
  found.body
end

# [events]
def events(reply)
  if reply["Content-Type"].to_s.match?(/json|html/)
    abort "not a stream: #{reply.read_body.to_s.force_encoding("UTF-8")}"
  end
  rest = "".b
  reply.read_body do |chunk|
    # A chunk may end inside a line, and inside a character.
    rest << chunk
    while (line = rest.slice!(/\A.*\n/))
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
