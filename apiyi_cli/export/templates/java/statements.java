final class Statements {
    void run() throws Exception {

        // [refusal]
        for (String name : List.of(__NAMES__)) {
            if (Files.exists(Path.of(name))) {
                throw new IOException(name + " exists already");
            }
        }

        // [answer.chat]
        for (Object choice : parsed(reply, "choices")) {
            String content = string(choice, "message", "content");
            if (!content.isEmpty()) {
                OUT.println(content);
            }
            // __CALLS__
        }

        // [answer.complete]
        for (Object choice : parsed(reply, "choices")) {
            OUT.println(string(choice, "text"));
        }

        // [answer.respond]
        for (Object item : parsed(reply, "output")) {
            for (Object part : list(item, "content")) {
                if (string(part, "type").equals("output_text")) {
                    OUT.println(string(part, "text"));
                }
            }
            // __CALLS__
        }

        // [answer.embed]
        for (Object item : parsed(reply, "data")) {
            OUT.println(at(item, "embedding"));
        }

        // [answer.image]
        int number = 0;
        for (Object item : parsed(reply, "data")) {
            number++;
            Path path = Path.of("image-" + number + ".__SUFFIX__");
            Files.write(path, imageBytes(item));
            OUT.println(path);
        }

        // [answer.transcribe]
        String text = text(reply);
        if (!(at(Json.read(text), "text") instanceof String heard)) {
            throw new IOException("no text in the answer: " + text);
        }
        OUT.println(heard);

        // [answer.speak]
        String type = reply.headers().firstValue("Content-Type").orElse("");
        if (type.contains("json") || type.startsWith("text/")) {
            throw new IOException("not a recording: " + text(reply));
        }
        Files.copy(reply.body(), Path.of("speech.__SUFFIX__"));
        OUT.println("speech.__SUFFIX__");

        // [answer.models]
        for (Object item : parsed(reply, "data")) {
            OUT.println(string(item, "id"));
        }

        // [answer.messages]
        for (Object block : parsed(reply, "content")) {
            if (string(block, "type").equals("text")) {
                OUT.println(string(block, "text"));
            } else if (string(block, "type").equals("tool_use")) {
                OUT.println(string(block, "name") + " " + at(block, "input"));
            }
        }

        // [answer.generate]
        int number = 0;
        for (Object part : list(parsed(reply, "candidates").get(0), "content", "parts")) {
            if (Boolean.TRUE.equals(at(part, "thought"))) {
                continue;
            }
            if (!string(part, "text").isEmpty()) {
                OUT.println(string(part, "text"));
            }
            if (at(part, "functionCall") != null) {
                OUT.println(at(part, "functionCall"));
            }
            String coded = string(part, "inlineData", "data");
            if (!coded.isEmpty()) {
                number++;
                Path path = Path.of("image-" + number + ".__SUFFIX__");
                Files.write(path, Base64.getDecoder().decode(coded.substring(coded.indexOf(',') + 1)));
                OUT.println(path);
            }
        }

        // [answer.other]
        reply.body().transferTo(System.out);
        System.out.flush();

        // [calls.chat]
        for (Object call : list(choice, "message", "tool_calls")) {
            OUT.println(string(call, "function", "name") + " " + string(call, "function", "arguments"));
        }

        // [calls.respond]
        if (string(item, "type").equals("function_call")) {
            OUT.println(string(item, "name") + " " + string(item, "arguments"));
        }

        // [stream]
        String kind = reply.headers().firstValue("Content-Type").orElse("");
        if (kind.contains("json") || kind.contains("html")) {
            throw new IOException("not a stream: " + text(reply));
        }
        boolean finished = false;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(reply.body(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String data = line.startsWith("data:") ? line.substring(5).strip() : "";
                if (data.isEmpty() || data.equals("[DONE]")) {
                    continue;
                }
                Object event = Json.read(data);
                if (at(event, "error") != null || string(event, "type").equals("response.failed")) {
                    throw new IOException("the stream reports an error: " + data);
                }
                // __DELTA__
            }
        }
        OUT.println();
        if (!finished) {
            throw new IOException("the stream was cut");
        }

        // [delta.chat]
        for (Object choice : list(event, "choices")) {
            OUT.print(string(choice, "delta", "content"));
            // __CALLS__
            finished |= !string(choice, "finish_reason").isEmpty();
        }
        OUT.flush();

        // [delta.complete]
        for (Object choice : list(event, "choices")) {
            OUT.print(string(choice, "text"));
            finished |= !string(choice, "finish_reason").isEmpty();
        }
        OUT.flush();

        // [delta.respond]
        String type = string(event, "type");
        if (type.equals("response.output_text.delta")) {
            OUT.print(string(event, "delta"));
            OUT.flush();
        }
        // __CALLS__
        finished |= type.equals("response.completed") || type.equals("response.incomplete");

        // [delta.transcribe]
        String type = string(event, "type");
        if (type.equals("transcript.text.delta")) {
            OUT.print(string(event, "delta"));
            OUT.flush();
        }
        finished |= type.equals("transcript.text.done");

        // [delta.messages]
        if (string(event, "content_block", "type").equals("tool_use")) {
            OUT.print("\n" + string(event, "content_block", "name") + " ");
        }
        OUT.print(string(event, "delta", "text") + string(event, "delta", "partial_json"));
        OUT.flush();
        finished |= string(event, "type").equals("message_stop");

        // [delta.generate]
        for (Object candidate : list(event, "candidates")) {
            for (Object part : list(candidate, "content", "parts")) {
                if (at(part, "functionCall") != null) {
                    OUT.println(at(part, "functionCall"));
                }
                OUT.print(Boolean.TRUE.equals(at(part, "thought")) ? "" : string(part, "text"));
            }
            finished |= !string(candidate, "finishReason").isEmpty();
        }
        OUT.flush();

        // [call_delta.chat]
        for (Object call : list(choice, "delta", "tool_calls")) {
            String name = string(call, "function", "name");
            OUT.print(name.isEmpty() ? "" : "\n" + name + " ");
            OUT.print(string(call, "function", "arguments"));
        }

        // [call_delta.respond]
        if (type.equals("response.output_item.done")
                && string(event, "item", "type").equals("function_call")) {
            OUT.println("\n" + string(event, "item", "name") + " " + string(event, "item", "arguments"));
        }
        // [end]
    }
}
