<?php

// Needs PHP 8.1 or newer with the curl extension.

declare(strict_types=1);

const URL = __URL__;

function fail(string $message): never
{
    fwrite(STDERR, $message . "\n");
    exit(1);
}
// __FUNCTIONS__

$key = getenv('APIYI_API_KEY') ?: fail('APIYI_API_KEY is not set');
// __REFUSAL__
// __BODY__
// __BEFORE__
$answer = '';
$handle = curl_init(URL);
curl_setopt_array($handle, [
    // __OPTIONS__
]);
if (curl_exec($handle) === false) {
    fail(curl_error($handle));
}
$status = curl_getinfo($handle, CURLINFO_RESPONSE_CODE);
if ($status < 200 || $status > 299) {
    fail("HTTP $status: $answer");
}
// __ANSWER__
