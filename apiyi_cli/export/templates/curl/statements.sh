# [refusal]
for name in __NAMES__; do
  if [ -e "$name" ]; then fail "$name exists already"; fi
done

# [checked]
jq --exit-status '__SHAPE__' "$answer" >/dev/null ||
  fail 'not the expected answer'

# [show]
event='select(startswith("data:")) | .[5:] | fromjson? | objects'
show() {
  tee "$answer" | jq --raw-input --join-output --unbuffered "$event"' | __FILTER__'
}

# [stream]
echo
told() {
  jq --null-input --raw-input --exit-status "any(inputs | $event | $1; true)" "$answer" >/dev/null
}
if told 'select(.error or .type == "response.failed")'; then
  fail 'the stream reports an error'
fi
told '__ENDED__' || fail 'the stream was cut'

# [answer.image]
# __CHECKED__
for ((index = 0; index < $(jq '.data | length' "$answer"); index++)); do
  name=image-$((index + 1)).__SUFFIX__
  jq --raw-output --argjson index "$index" \
    '.data[$index].b64_json // "" | split(",")[-1] // ""' "$answer" | base64 --decode >"$name"
  if [ ! -s "$name" ]; then
    link=$(jq --raw-output --argjson index "$index" '.data[$index].url // ""' "$answer")
    curl --silent --show-error --fail --proto '=https,http' --connect-timeout 10 --max-time 120 \
      --output "$name" --url "${link:-none}" || fail "image $((index + 1)) cannot be had"
  fi
  echo "$name"
done

# [answer.generate]
# __CHECKED__
jq --raw-output '__TEXTS__' "$answer"
picture='[.candidates[0].content.parts[]? | select(.inlineData and .thought != true)]'
for ((index = 0; index < $(jq "$picture | length" "$answer"); index++)); do
  name=image-$((index + 1)).__SUFFIX__
  jq --raw-output --argjson index "$index" \
    "$picture"' | .[$index].inlineData.data | split(",")[-1]' "$answer" | base64 --decode >"$name"
  echo "$name"
done

# [answer.speak]
case $(cat "$answer.type") in
  *json* | text/*) fail 'not a recording' ;;
esac
mv "$answer" speech.__SUFFIX__
echo speech.__SUFFIX__

# [answer.text]
[ -s "$answer" ] || fail 'the answer is empty'
cat "$answer"

# [answer.other]
cat "$answer"
