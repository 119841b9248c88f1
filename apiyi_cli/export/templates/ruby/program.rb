# Needs Ruby 3.0 or newer.
require "json"
require "net/http"
require "stringio"

URL = URI(__URL__)
# __FUNCTIONS__

def main
  key = ENV.fetch("APIYI_API_KEY") { abort "APIYI_API_KEY is not set" }
  # __REFUSAL__
  request = Net::HTTPGenericRequest.new(__METHOD__, __SENDS__, __SHOWS__, URL)
  request["Authorization"] = "Bearer #{key}"
  # __HEADERS__
  # __BODY__
  options = { use_ssl: URL.scheme == "https", open_timeout: 10, read_timeout: __SILENCE__ }
  Net::HTTP.start(URL.host, URL.port, **options) do |http|
    http.request(request) do |reply|
      unless reply.is_a?(Net::HTTPSuccess)
        abort "HTTP #{reply.code}: #{reply.read_body.to_s.force_encoding("UTF-8")}"
      end
      # __ANSWER__
    end
  end
end

begin
  main
rescue StandardError => error
  abort "#{error.class}: #{error.message}"
end
