<?php

// [multipart]
/** A form with two fields of one name, which an array for CURLOPT_POSTFIELDS cannot hold. */
function multipart(array $fields, string $boundary): string
{
    $body = '';
    foreach ($fields as [$name, $content, $filename, $type]) {
        $body .= "--$boundary\r\nContent-Disposition: form-data; name=\"$name\"";
        if ($filename !== null) {
            $quoted = str_replace(['"', "\r", "\n"], ['%22', '%0D', '%0A'], $filename);
            $body .= "; filename=\"$quoted\"\r\nContent-Type: $type";
        }
        $body .= "\r\n\r\n$content\r\n";
    }
    return "$body--$boundary--\r\n";
}

// [base64]
function base64Of(string $path): string
{
    return base64_encode(@file_get_contents($path) ?: fail("cannot read $path"));
}

// [text]
function textOf(string $path): string
{
    return @file_get_contents($path) ?: fail("cannot read $path");
}

// [parse]
function parsed(string $answer, string $field): mixed
{
    $value = json_decode($answer, true);
    if (!is_array($value)) {
        fail("not JSON: $answer");
    }
    $found = $value[$field] ?? [];
    return $found === [] ? fail("no $field in the answer: $answer") : $found;
}

// [image]
function imageBytes(array $item): string
{
    if (($item['b64_json'] ?? '') !== '') {
        $parts = explode(',', $item['b64_json']);
        return base64_decode(end($parts));
    }
    // The link is not the gateway's: the key stays here.
    $handle = curl_init($item['url'] ?? fail('an image without data'));
    curl_setopt_array($handle, [
        CURLOPT_PROTOCOLS => CURLPROTO_HTTPS | CURLPROTO_HTTP,
        CURLOPT_FAILONERROR => true,
        CURLOPT_TIMEOUT => 120,
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $image = curl_exec($handle);
    return $image === false ? fail(curl_error($handle)) : $image;
}

// [events]
/** Takes the complete lines off $rest, which may end inside a line, and yields their events. */
function events(string &$rest): Generator
{
    while (($end = strpos($rest, "\n")) !== false) {
        $line = substr($rest, 0, $end);
        $rest = substr($rest, $end + 1);
        $event = str_starts_with($line, 'data:') ? json_decode(substr($line, 5), true) : null;
        if (is_array($event)) {
            yield $event;
        }
    }
}
