#!/usr/bin/env bash
# Needs bash, __NEEDS__.
set -euo pipefail
: "${APIYI_API_KEY:?is not set}"

answer=$(mktemp)
trap 'rm -f "$answer" "$answer.type"' EXIT
fail() {
  cat "$answer" >&2
  printf '\n%s\n' "$1" >&2
  exit 1
}

# __REFUSAL__
# __BODY__
# The key goes through a descriptor: every user of the machine can read a command's arguments.
__FEED__curl --silent --show-error --fail-with-body __WAIT__ \
  --header @<(printf 'Authorization: Bearer %s\n' "$APIYI_API_KEY") \
  __OPTIONS__
  __URL____HERE__
# __JSON__

# __ANSWER__
