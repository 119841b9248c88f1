<?php

// [refusal]
foreach ([__NAMES__] as $name) {
    if (file_exists($name)) {
        fail("$name exists already");
    }
}

// [answer.chat]
foreach (parsed($answer, 'choices') as $choice) {
    if (($choice['message']['content'] ?? '') !== '') {
        echo $choice['message']['content'], "\n";
    }
    // __CALLS__
}

// [answer.complete]
foreach (parsed($answer, 'choices') as $choice) {
    echo $choice['text'], "\n";
}

// [answer.respond]
foreach (parsed($answer, 'output') as $item) {
    foreach ($item['content'] ?? [] as $part) {
        if ($part['type'] === 'output_text') {
            echo $part['text'], "\n";
        }
    }
    // __CALLS__
}

// [answer.embed]
foreach (parsed($answer, 'data') as $item) {
    echo json_encode($item['embedding']), "\n";
}

// [answer.image]
foreach (parsed($answer, 'data') as $index => $item) {
    $name = 'image-' . ($index + 1) . '.__SUFFIX__';
    file_put_contents($name, imageBytes($item)) !== false || fail("cannot write $name");
    echo $name, "\n";
}

// [answer.transcribe]
echo parsed($answer, 'text'), "\n";

// [answer.speak]
if (preg_match('~json|^text/~', curl_getinfo($handle, CURLINFO_CONTENT_TYPE) ?? '')) {
    fail("not a recording: $answer");
}
file_put_contents('speech.__SUFFIX__', $answer) !== false || fail('cannot write speech.__SUFFIX__');
echo "speech.__SUFFIX__\n";

// [answer.models]
foreach (parsed($answer, 'data') as $item) {
    echo $item['id'], "\n";
}

// [answer.messages]
foreach (parsed($answer, 'content') as $block) {
    if ($block['type'] === 'text') {
        echo $block['text'], "\n";
    } elseif ($block['type'] === 'tool_use') {
        echo $block['name'], ' ', json_encode($block['input'], JSON_UNESCAPED_UNICODE), "\n";
    }
}

// [answer.generate]
$number = 0;
foreach (parsed($answer, 'candidates')[0]['content']['parts'] ?? [] as $part) {
    if ($part['thought'] ?? false) {
        continue;
    }
    if (($part['text'] ?? '') !== '') {
        echo $part['text'], "\n";
    }
    if (isset($part['functionCall'])) {
        echo json_encode($part['functionCall'], JSON_UNESCAPED_UNICODE), "\n";
    }
    if (isset($part['inlineData'])) {
        $pieces = explode(',', $part['inlineData']['data']);
        $name = 'image-' . ++$number . '.__SUFFIX__';
        file_put_contents($name, base64_decode(end($pieces))) !== false || fail("cannot write $name");
        echo $name, "\n";
    }
}

// [answer.other]
echo $answer;

// [calls.chat]
foreach ($choice['message']['tool_calls'] ?? [] as $call) {
    echo $call['function']['name'], ' ', $call['function']['arguments'], "\n";
}

// [calls.respond]
if ($item['type'] === 'function_call') {
    echo $item['name'], ' ', $item['arguments'], "\n";
}

// [stream]
echo "\n";
if ($failed) {
    fail("the stream reports an error: $answer");
}
if (!$finished) {
    fail(str_contains($answer, 'data:') ? 'the stream was cut' : "not a stream: $answer");
}

// [delta.chat]
foreach ($event['choices'] ?? [] as $choice) {
    echo $choice['delta']['content'] ?? '';
    // __CALLS__
    $finished = $finished || ($choice['finish_reason'] ?? '') !== '';
}

// [delta.complete]
foreach ($event['choices'] ?? [] as $choice) {
    echo $choice['text'] ?? '';
    $finished = $finished || ($choice['finish_reason'] ?? '') !== '';
}

// [delta.respond]
if (($event['type'] ?? '') === 'response.output_text.delta') {
    echo $event['delta'];
}
// __CALLS__
$ends = ['response.completed', 'response.incomplete'];
$finished = $finished || in_array($event['type'] ?? '', $ends, true);

// [delta.transcribe]
if (($event['type'] ?? '') === 'transcript.text.delta') {
    echo $event['delta'];
}
$finished = $finished || ($event['type'] ?? '') === 'transcript.text.done';

// [delta.messages]
if (($event['content_block']['type'] ?? '') === 'tool_use') {
    echo "\n{$event['content_block']['name']} ";
}
echo $event['delta']['text'] ?? $event['delta']['partial_json'] ?? '';
$finished = $finished || ($event['type'] ?? '') === 'message_stop';

// [delta.generate]
foreach ($event['candidates'] ?? [] as $candidate) {
    foreach ($candidate['content']['parts'] ?? [] as $part) {
        if (isset($part['functionCall'])) {
            echo json_encode($part['functionCall'], JSON_UNESCAPED_UNICODE), "\n";
        }
        echo ($part['thought'] ?? false) ? '' : $part['text'] ?? '';
    }
    $finished = $finished || ($candidate['finishReason'] ?? '') !== '';
}

// [call_delta.chat]
foreach ($choice['delta']['tool_calls'] ?? [] as $call) {
    if (($call['function']['name'] ?? '') !== '') {
        echo "\n{$call['function']['name']} ";
    }
    echo $call['function']['arguments'] ?? '';
}

// [call_delta.respond]
$item = $event['item'] ?? [];
if ($event['type'] === 'response.output_item.done' && $item['type'] === 'function_call') {
    echo "\n{$item['name']} {$item['arguments']}\n";
}

// [read]
$rest = '';
$finished = false;
$failed = false;
$read = function ($handle, string $chunk) use (&$answer, &$rest, &$finished, &$failed): int {
    $answer .= $chunk;
    $rest .= $chunk;
    foreach (events($rest) as $event) {
        $failed = $failed || isset($event['error']) || ($event['type'] ?? '') === 'response.failed';
        // __DELTA__
    }
    return strlen($chunk);
};

// [kept]
function ($handle, string $chunk) use (&$answer): int {
    // __KEEP__
    return strlen($chunk);
}
// [end]
;
