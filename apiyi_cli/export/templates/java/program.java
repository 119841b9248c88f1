// Needs Java 17 or newer: java -Dfile.encoding=UTF-8 Program.java
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

public final class Program {
    private static final String URL = __URL__;
    private static final PrintStream OUT =
        new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] args) {
        try {
            run();
        } catch (Exception error) {
            fail(error.toString());
        }
    }

    private static void fail(String message) {
        new PrintStream(System.err, true, StandardCharsets.UTF_8).println(message);
        System.exit(1);
    }

    private static void run() throws Exception {
        String key = System.getenv("APIYI_API_KEY");
        if (key == null || key.isEmpty()) {
            throw new IllegalStateException("APIYI_API_KEY is not set");
        }
        // __REFUSAL__
        // A request's own timeout ends with the headers; this one holds for the body, too.
        CompletableFuture.delayedExecutor(__TIMEOUT__, TimeUnit.SECONDS)
            .execute(() -> fail("no complete answer within __TIMEOUT__ s"));
        // __BODY__
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL))
            .header("Authorization", "Bearer " + key)
            // __HEADERS__
            .method(__METHOD__, __PUBLISHER__)
            .build();
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
        HttpResponse<InputStream> reply = client.send(request, BodyHandlers.ofInputStream());
        if (reply.statusCode() < 200 || reply.statusCode() > 299) {
            throw new IOException("HTTP " + reply.statusCode() + ": " + text(reply));
        }
        // __ANSWER__
    }

    private static String text(HttpResponse<InputStream> reply) throws IOException {
        return new String(reply.body().readAllBytes(), StandardCharsets.UTF_8);
    }
    // __FUNCTIONS__
}
