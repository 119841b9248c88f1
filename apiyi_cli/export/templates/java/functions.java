final class Functions {

    // [base64]
    private static String base64Of(String path) throws IOException {
        return Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(path)));
    }

    // [text]
    /** The text of a file as it stands inside a JSON string. */
    private static String textOf(String path) throws IOException {
        StringBuilder quoted = new StringBuilder();
        for (char letter : Files.readString(Path.of(path)).toCharArray()) {
            if (letter == '"' || letter == '\\' || letter < ' ') {
                quoted.append(String.format("\\u%04x", (int) letter));
            } else {
                quoted.append(letter);
            }
        }
        return quoted.toString();
    }

    // [parse]
    private static List<?> parsed(HttpResponse<InputStream> reply, String field) throws IOException {
        String text = text(reply);
        try {
            if (at(Json.read(text), field) instanceof List<?> items && !items.isEmpty()) {
                return items;
            }
        } catch (IllegalArgumentException error) {
            throw new IOException("not JSON: " + text, error);
        }
        throw new IOException("no " + field + " in the answer: " + text);
    }

    // [image]
    private static byte[] imageBytes(Object item) throws Exception {
        String coded = string(item, "b64_json");
        if (!coded.isEmpty()) {
            return Base64.getDecoder().decode(coded.substring(coded.indexOf(',') + 1));
        }
        // The link is not the gateway's: the key stays here.
        HttpRequest request = HttpRequest.newBuilder(URI.create(string(item, "url"))).build();
        HttpResponse<byte[]> found =
            HttpClient.newHttpClient().send(request, BodyHandlers.ofByteArray());
        if (found.statusCode() != 200) {
            throw new IOException("HTTP " + found.statusCode() + " from " + request.uri());
        }
        return found.body();
    }

    // [multipart]
    private static BodyPublisher file(String head, BodyPublisher content) {
        return BodyPublishers.concat(
            BodyPublishers.ofString(head), content, BodyPublishers.ofString("\r\n"));
    }

    // [json]
    /** The value at these keys, or null. */
    private static Object at(Object value, String... keys) {
        for (String key : keys) {
            value = value instanceof Map<?, ?> map ? map.get(key) : null;
        }
        return value;
    }

    private static String string(Object value, String... keys) {
        return at(value, keys) instanceof String text ? text : "";
    }

    private static List<?> list(Object value, String... keys) {
        return at(value, keys) instanceof List<?> items ? items : List.of();
    }

    /** Reads JSON: objects become maps, arrays lists, numbers doubles. */
    private static final class Json {
        private final String text;
        private int place;

        private Json(String text) {
            this.text = text;
        }

        static Object read(String text) {
            Json json = new Json(text);
            Object value = json.value();
            if (!text.substring(json.place).isBlank()) {
                throw json.wrong();
            }
            return value;
        }

        private IllegalArgumentException wrong() {
            return new IllegalArgumentException("not JSON at character " + place + ": " + text);
        }

        private char peek() {
            while (place < text.length() && text.charAt(place) <= ' ') {
                place++;
            }
            if (place == text.length()) {
                throw wrong();
            }
            return text.charAt(place);
        }

        private boolean skip(char wanted) {
            boolean found = peek() == wanted;
            place += found ? 1 : 0;
            return found;
        }

        private void need(char wanted) {
            if (!skip(wanted)) {
                throw wrong();
            }
        }

        private Object value() {
            return switch (peek()) {
                case '{' -> object();
                case '[' -> array();
                case '"' -> quoted();
                default -> word();
            };
        }

        private Map<String, Object> object() {
            Map<String, Object> map = new LinkedHashMap<>();
            need('{');
            while (!skip('}')) {
                if (!map.isEmpty()) {
                    need(',');
                }
                peek();
                String key = quoted();
                need(':');
                map.put(key, value());
            }
            return map;
        }

        private List<Object> array() {
            List<Object> items = new ArrayList<>();
            need('[');
            while (!skip(']')) {
                if (!items.isEmpty()) {
                    need(',');
                }
                items.add(value());
            }
            return items;
        }

        private String quoted() {
            need('"');
            StringBuilder read = new StringBuilder();
            for (; place < text.length() && text.charAt(place) != '"'; place++) {
                char letter = text.charAt(place);
                read.append(letter == '\\' ? escaped() : letter);
            }
            need('"');
            return read.toString();
        }

        private char escaped() {
            place++;
            char letter = place < text.length() ? text.charAt(place) : ' ';
            if (letter == 'u' && place + 4 < text.length()) {
                place += 4;
                return (char) Integer.parseInt(text.substring(place - 3, place + 1), 16);
            }
            int known = "bfnrt".indexOf(letter);
            return known < 0 ? letter : "\b\f\n\r\t".charAt(known);
        }

        private Object word() {
            int start = place;
            while (place < text.length() && ",]} \t\r\n".indexOf(text.charAt(place)) < 0) {
                place++;
            }
            String word = text.substring(start, place);
            return switch (word) {
                case "null" -> null;
                case "true", "false" -> word.equals("true");
                default -> Double.valueOf(word);
            };
        }
    }
    // [end]
}
