# bash completion for apiyi
# Made from the option table by `make manual`: changes to this file will be lost.

_apiyi_table() {
    commands= options= takers=' '
    case $1 in
        '')
            commands='chat complete respond embed rank image video transcribe speak playground api batch models balance session usage cache auth config doctor sandbox completion mcp skill describe help'
            options='--profile -q|--quiet -v|--verbose -V|--version -h|--help'
            takers=' --profile '
            ;;
        'chat')
            options='*-m|--model --force-model --encoding *-f|--file -n|--no-stdin -t|--template *-p|--param -e|--edit -s|--system *-a|--attach --messages --session --last -c|--continue --no-keep -i|--interactive --strict --temperature --top-p --max-tokens --n *--stop --seed --presence-penalty --frequency-penalty *--logit-bias --user --logprobs|--no-logprobs --top-logprobs --reasoning-effort|--effort --verbosity --protocol --cache-prompt|--no-cache-prompt --schema --json-mode --stream|--no-stream -x|--extract --save -R|--hide-reasoning --markdown|--no-markdown --newline|--no-newline --strict-finish *--tool --tool-choice --parallel-tools|--no-parallel-tools *--run *--mcp *--mcp-header --yes --max-steps --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file -t --template -p --param -s --system -a --attach --messages --session --temperature --top-p --max-tokens --n --stop --seed --presence-penalty --frequency-penalty --logit-bias --user --top-logprobs --reasoning-effort --effort --verbosity --protocol --schema --save --tool --tool-choice --run --mcp --mcp-header --max-steps --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'complete')
            options='-m|--model --force-model --encoding *-f|--file -n|--no-stdin -t|--template *-p|--param -e|--edit --suffix --echo --best-of --logprobs --lines --batch-size --temperature --top-p --max-tokens --n *--stop --seed --presence-penalty --frequency-penalty *--logit-bias --user --schema --json-mode --stream|--no-stream -x|--extract --save -R|--hide-reasoning --markdown|--no-markdown --newline|--no-newline --strict-finish --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file -t --template -p --param --suffix --best-of --logprobs --batch-size --temperature --top-p --max-tokens --n --stop --seed --presence-penalty --frequency-penalty --logit-bias --user --schema --save --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'respond')
            options='-m|--model --force-model --encoding *-f|--file -n|--no-stdin -t|--template *-p|--param -e|--edit -s|--system *-a|--attach --messages --session --last -c|--continue --no-keep --instructions --web-search --max-output-tokens|--max-tokens --temperature --top-p --top-logprobs --user --reasoning-effort|--effort --reasoning-summary --verbosity --protocol --cache-prompt|--no-cache-prompt --schema --json-mode --stream|--no-stream -x|--extract --save -R|--hide-reasoning --markdown|--no-markdown --newline|--no-newline --strict-finish *--tool --tool-choice --parallel-tools|--no-parallel-tools *--run *--mcp *--mcp-header --yes --max-steps --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file -t --template -p --param -s --system -a --attach --messages --session --instructions --max-output-tokens --max-tokens --temperature --top-p --top-logprobs --user --reasoning-effort --effort --reasoning-summary --verbosity --protocol --schema --save --tool --tool-choice --run --mcp --mcp-header --max-steps --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'embed')
            options='-m|--model --force-model --encoding *-f|--file -n|--no-stdin --lines --jsonl --text|--no-text --dimensions --base64 --batch-size --user -j|--jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file --jsonl --dimensions --batch-size --user -j --jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'rank')
            options='-m|--model --force-model --encoding --lines --jsonl *-f|--file --vectors -n|--top --threshold -j|--jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding --jsonl -f --file --vectors -n --top --threshold -j --jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'image')
            options='-m|--model --force-model --encoding *-f|--file -n|--no-stdin *-i|--input --mask --vary --lines --n --size --quality --style --background --output-format --output-compression --aspect-ratio --seed --skip-existing --preview|--no-preview --allow-private -j|--jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file -i --input --mask --n --size --quality --style --background --output-format --output-compression --aspect-ratio --seed -j --jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'video')
            options='-m|--model --force-model --encoding *-f|--file -n|--no-stdin *-i|--input --first --last *--reference --lines --duration --resolution --ratio --seed --audio|--no-audio --poll --skip-existing --allow-private -j|--jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file -i --input --first --last --reference --duration --resolution --ratio --seed --poll -j --jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'transcribe')
            options='-m|--model --force-model --encoding --format --language --prompt --temperature --timestamps --diarize --translate --stream|--no-stream --split --skip-existing -j|--jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding --format --language --prompt --temperature --timestamps -j --jobs --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'speak')
            options='-m|--model --force-model --encoding *-f|--file -n|--no-stdin --voice --format --speed --instructions --split --skip-existing --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding -f --file --voice --format --speed --instructions --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'playground')
            options='--profile --port --no-open --idle --max-cost --no-history --allow-api -h|--help'
            takers=' --profile --port --idle --max-cost '
            ;;
        'api')
            options='*-f|--raw-field *-F|--field --input --encoding --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -f --raw-field -F --field --input --encoding --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'batch')
            options='-m|--model --force-model --encoding --endpoint --format --lines --template --params --delimiter --quote|--no-quote --stream|--no-stream --shard --rows --limit --strict --check --retry-failed --on-unknown --resume --repair --fsync --max-errors --fail-fast -x|--extract --strict-finish --retry-misfit --join --ordered --text --answer --errors --summary --save -j|--jobs -s|--system --temperature --top-p --max-tokens --n *--stop --seed --presence-penalty --frequency-penalty *--logit-bias --user --logprobs|--no-logprobs --top-logprobs --reasoning-effort|--effort --verbosity --protocol --schema --json-mode *--tool --tool-choice --parallel-tools|--no-parallel-tools --suffix --echo --best-of --web-search --reasoning-summary --dimensions --base64 --batch-size --size --quality --style --background --output-format --output-compression --aspect-ratio --allow-private --language --timestamps --diarize --translate --voice --speed --instructions --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' -m --model --encoding --endpoint --format --template --params --delimiter --shard --rows --limit --on-unknown --fsync --max-errors --retry-misfit --answer --errors --summary --save -j --jobs -s --system --temperature --top-p --max-tokens --n --stop --seed --presence-penalty --frequency-penalty --logit-bias --user --top-logprobs --reasoning-effort --effort --verbosity --protocol --schema --tool --tool-choice --suffix --best-of --reasoning-summary --dimensions --batch-size --size --quality --style --background --output-format --output-compression --aspect-ratio --language --timestamps --voice --speed --instructions --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'models')
            options='--update|--update-prices --grep --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color *-O|--option --dry-run --code --cache --max-cost --tag --no-cache -h|--help --help-all'
            takers=' --grep --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color -O --option --code --cache --max-cost --tag '
            ;;
        'balance')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'session')
            commands='list show rm'
            options='-h|--help'
            ;;
        'session list')
            options='--json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --jq -o --output --color '
            ;;
        'session show')
            options='--json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --jq -o --output --color '
            ;;
        'session rm')
            options='--json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --jq -o --output --color '
            ;;
        'usage')
            options='--since --by --remote --reconcile --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --since --by --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'cache')
            commands='path stats clear'
            options='-h|--help'
            ;;
        'cache path')
            options='--json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --jq -o --output --color '
            ;;
        'cache stats')
            options='--json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --jq -o --output --color '
            ;;
        'cache clear')
            options='--json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --jq -o --output --color '
            ;;
        'auth')
            commands='login status logout token'
            options='-h|--help'
            ;;
        'auth login')
            options='--with-token --no-check --insecure-storage --system-token --no-models --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'auth status')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'auth logout')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'auth token')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header '
            ;;
        'config')
            commands='list get set unset path edit'
            options='-h|--help'
            ;;
        'config list')
            options='--origin --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'config get')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header '
            ;;
        'config set')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header '
            ;;
        'config unset')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header '
            ;;
        'config path')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header '
            ;;
        'config edit')
            options='--profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header '
            ;;
        'doctor')
            options='--brief --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'sandbox')
            options='--port --fault --samples -h|--help'
            takers=' --port --fault --samples '
            ;;
        'completion')
            options='--install -h|--help'
            ;;
        'mcp')
            options='--max-cost --folder --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --failover|--no-failover --rpm --tpm --limits|--no-limits --proxy --cacert *-H|--header --json --ndjson --jq -o|--output --force -q|--quiet -v|--verbose -u|--usage --color -h|--help --help-all'
            takers=' --max-cost --folder --profile --base-url --node --key-file --timeout --max-time --retries --retry-ambiguous --max-retry-time --rpm --tpm --proxy --cacert -H --header --jq -o --output --color '
            ;;
        'skill')
            options='-h|--help'
            ;;
        'describe')
            options='-h|--help'
            ;;
        'help')
            options='-h|--help'
            ;;
    esac
}

_apiyi_rule() {
    rule=
    case "$1 $2" in
        *' --profile') rule='profile' ;;
        *' -m'|*' --model') rule='model' ;;
        'chat'' -f'|'chat'' --file') rule='file' ;;
        'complete'' -f'|'complete'' --file') rule='file' ;;
        'respond'' -f'|'respond'' --file') rule='file' ;;
        'embed'' -f'|'embed'' --file') rule='file' ;;
        'rank'' -f'|'rank'' --file') rule='file' ;;
        'image'' -f'|'image'' --file') rule='file' ;;
        'video'' -f'|'video'' --file') rule='file' ;;
        'speak'' -f'|'speak'' --file') rule='file' ;;
        'chat'' -t'|'chat'' --template') rule='template' ;;
        'complete'' -t'|'complete'' --template') rule='template' ;;
        'respond'' -t'|'respond'' --template') rule='template' ;;
        *' -s'|*' --system') rule='at' ;;
        *' -a'|*' --attach') rule='file' ;;
        *' --messages') rule='file' ;;
        *' --reasoning-effort'|*' --effort') rule='=none minimal low medium high xhigh max' ;;
        *' --verbosity') rule='=low medium high' ;;
        *' --protocol') rule='=auto openai anthropic google' ;;
        *' --schema') rule='file' ;;
        'chat'' --save') rule='file' ;;
        'complete'' --save') rule='file' ;;
        'respond'' --save') rule='file' ;;
        *' --tool') rule='file' ;;
        *' --mcp-header') rule='at' ;;
        *' --node') rule='=api vip b cf' ;;
        *' --key-file') rule='file' ;;
        *' --cacert') rule='file' ;;
        *' -o'|*' --output') rule='file' ;;
        *' --color') rule='=auto always never' ;;
        *' -O'|*' --option') rule='at' ;;
        *' --code') rule='=curl python requests node java csharp go php ruby' ;;
        *' --instructions') rule='at' ;;
        *' --reasoning-summary') rule='=auto concise detailed' ;;
        *' --vectors') rule='file' ;;
        'image'' -i'|'image'' --input') rule='file' ;;
        'video'' -i'|'video'' --input') rule='file' ;;
        *' --mask') rule='file' ;;
        *' --size') rule='=auto 1K 2K 3K 4K' ;;
        *' --quality') rule='=low medium high xhigh max auto standard hd' ;;
        *' --style') rule='=vivid natural' ;;
        *' --background') rule='=transparent opaque auto' ;;
        *' --output-format') rule='=png jpeg webp gif svg' ;;
        *' --first') rule='file' ;;
        *' --last') rule='file' ;;
        *' --reference') rule='file' ;;
        'transcribe'' --format') rule='=text json srt vtt verbose_json' ;;
        'speak'' --format') rule='=mp3 opus aac flac wav pcm' ;;
        'batch'' --format') rule='=jsonl csv tsv lines' ;;
        *' --prompt') rule='at' ;;
        *' --timestamps') rule='=word segment word,segment' ;;
        *' -F'|*' --field') rule='at' ;;
        'api'' --input') rule='file' ;;
        *' --endpoint') rule='=chat complete respond embed rank image transcribe speak' ;;
        *' --rows') rule='file' ;;
        *' --on-unknown') rule='=retry skip fail' ;;
        *' --fsync') rule='=group always never' ;;
        *' --errors') rule='file' ;;
        *' --summary') rule='file' ;;
        *' --by') rule='=model day profile endpoint tag' ;;
        *' --samples') rule='dir' ;;
        *' --folder') rule='dir' ;;
    esac
}

_apiyi_argument() {
    rule=
    case "$1 $2" in
        'video '*) rule='=list resume cancel forget' ;;
        'transcribe '*) rule='file' ;;
        'playground 0') rule='=chat respond complete embed rank image video transcribe speak api models' ;;
        'batch '*) rule='file' ;;
        'models '*) rule='model=show' ;;
        'config get 0') rule='=model force_model node key_file timeout max_time retries retry_ambiguous max_retry_time failover proxy cacert header json ndjson quiet verbose usage color cache max_cost tag encoding no_stdin system temperature top_p max_tokens n stop seed presence_penalty frequency_penalty logit_bias user logprobs top_logprobs reasoning_effort verbosity protocol cache_prompt json_mode stream extract save hide_reasoning markdown newline strict_finish tool_choice parallel_tools max_steps no_keep suffix echo best_of batch_size instructions web_search max_output_tokens reasoning_summary text dimensions base64 top threshold jobs size quality style background output_format output_compression aspect_ratio preview language split voice speed duration resolution ratio audio poll on_unknown fsync max_errors' ;;
        'config set 0') rule='=model force_model node key_file timeout max_time retries retry_ambiguous max_retry_time failover proxy cacert header json ndjson quiet verbose usage color cache max_cost tag encoding no_stdin system temperature top_p max_tokens n stop seed presence_penalty frequency_penalty logit_bias user logprobs top_logprobs reasoning_effort verbosity protocol cache_prompt json_mode stream extract save hide_reasoning markdown newline strict_finish tool_choice parallel_tools max_steps no_keep suffix echo best_of batch_size instructions web_search max_output_tokens reasoning_summary text dimensions base64 top threshold jobs size quality style background output_format output_compression aspect_ratio preview language split voice speed duration resolution ratio audio poll on_unknown fsync max_errors' ;;
        'config unset 0') rule='=model force_model node key_file timeout max_time retries retry_ambiguous max_retry_time failover proxy cacert header json ndjson quiet verbose usage color cache max_cost tag encoding no_stdin system temperature top_p max_tokens n stop seed presence_penalty frequency_penalty logit_bias user logprobs top_logprobs reasoning_effort verbosity protocol cache_prompt json_mode stream extract save hide_reasoning markdown newline strict_finish tool_choice parallel_tools max_steps no_keep suffix echo best_of batch_size instructions web_search max_output_tokens reasoning_summary text dimensions base64 top threshold jobs size quality style background output_format output_compression aspect_ratio preview language split voice speed duration resolution ratio audio poll on_unknown fsync max_errors' ;;
        'completion 0') rule='=bash zsh fish powershell' ;;
        'help '*) rule='=exit-codes environment config formatting retries batch proxy moving recipes chat complete respond embed rank image video transcribe speak playground api models balance session usage cache auth doctor sandbox completion mcp skill describe help' ;;
    esac
}

# Sets `words` and `at`, the index of the last one, which ends at the cursor. Bash divides the
# line at = : and @ as well; what was typed in one piece is put together again here.
_apiyi_split() {
    local rest=${COMP_LINE:0:COMP_POINT} word gap i
    words=() at=0
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        gap=${rest%%[![:space:]]*}
        rest=${rest:${#gap}}
        ((i == COMP_CWORD)) && word=$rest
        rest=${rest:${#word}}
        if ((i)) && [[ -z $gap ]]; then
            words[at]=${words[at]}$word
        else
            at=${#words[@]}
            words[at]=$word
        fi
    done
}

# Walks over the words before the cursor. Sets the command they name, the options given, the
# one that still wants its value, and how many arguments there were.
_apiyi_walk() {
    local i word
    _apiyi_table ''
    for ((i = 1; i < at; i++)); do
        word=${words[i]}
        if [[ -n $taker ]]; then
            [[ $taker == --profile ]] && profile=$word
            taker=
        elif [[ $word == -- && -z $literal ]]; then
            literal=1
        elif [[ $word == --*=* && -z $literal ]]; then
            given+="${word%%=*} "
            [[ $word == --profile=* ]] && profile=${word#*=}
        elif [[ $word == -?* && -z $literal ]]; then
            # Of short options in one word, only the last can want the next word.
            [[ $word == -[!-]?* && $takers != *" ${word:0:2} "* ]] && word=-${word: -1}
            given+="$word "
            [[ $takers == *" $word "* ]] && taker=$word
        elif [[ " $commands " == *" $word "* ]]; then
            command=${command:+$command }$word
            _apiyi_table "$command"
        else
            count=$((count + 1))
        fi
    done
}

# Offers those of the arguments that begin with `value`.
_apiyi_offer() {
    local word cut= breaks=
    # What readline replaces begins after the last of the characters at which bash divides.
    for word in : = @; do
        [[ $COMP_WORDBREAKS == *"$word"* ]] && breaks+=$word
    done
    [[ -n $breaks && $value == *["$breaks"]* ]] && cut=${value%"${value##*["$breaks"]}"}
    for word in "$@"; do
        [[ $word == "$value"* ]] && COMPREPLY+=("$lead${word#"$cut"}")
    done
}

# Offers the files of an @FILE. Readline replaces the @ as well, and would quote it, so that
# quoting is done here.
_apiyi_at_files() {
    local file IFS=$'\n'
    value=${value#@}
    for file in $(compgen -f -- "${value//\\/}"); do
        [[ -d $file ]] && file+=/ && compopt -o nospace 2>/dev/null
        printf -v file %q "$file"
        COMPREPLY+=("@$file")
    done
}

# Leaves files to readline, which knows how to quote them.
_apiyi_files() {
    compopt -o "$1" 2>/dev/null && return
    local IFS=$'\n'
    [[ $1 == default ]] && COMPREPLY=($(compgen -f -- "$value"))
    [[ $1 == dirnames ]] && COMPREPLY=($(compgen -d -- "$value"))
}

_apiyi_models() {
    local file=$HOME/.cache line found=()
    [[ ${XDG_CACHE_HOME-} == /* ]] && file=$XDG_CACHE_HOME
    profile=${profile:-${APIYI_PROFILE:-default}}
    file=$file/apiyi/models/$profile
    [[ $profile != */* && -r $file ]] || return
    while IFS= read -r line; do
        [[ $line == "$value"* && $line != *[!A-Za-z0-9._:/@+-]* ]] && found+=("$line")
    done <"$file"
    _apiyi_offer ${found[@]+"${found[@]}"}
}

_apiyi_templates() {
    local config=$HOME/.config file found=() IFS=$'\n'
    [[ ${XDG_CONFIG_HOME-} == /* ]] && config=$XDG_CONFIG_HOME
    config=${APIYI_CONFIG:-$config/apiyi/config.toml}
    [[ $config == */* ]] || config=./$config
    for file in $(compgen -f -- "${config%/*}/templates/"); do
        file=${file##*/}
        [[ $file == [!.-]*.md && $file != *[!A-Za-z0-9._-]* ]] && found+=("${file%.md}")
    done
    _apiyi_offer ${found[@]+"${found[@]}"}
}

_apiyi_profiles() {
    local file=$HOME/.config line found=(default sandbox)
    local header='^[[:space:]]*\[[[:space:]]*profile[[:space:]]*\.[[:space:]]*'
    header+='("([A-Za-z0-9._-]+)"|([A-Za-z0-9_-]+))'
    [[ ${XDG_CONFIG_HOME-} == /* ]] && file=$XDG_CONFIG_HOME
    file=${APIYI_CONFIG:-$file/apiyi/config.toml}
    if [[ -r $file ]]; then
        while IFS= read -r line; do
            if [[ $line =~ $header ]]; then
                line=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
                [[ " ${found[*]} " == *" $line "* ]] || found+=("$line")
            fi
        done <"$file"
    fi
    _apiyi_offer "${found[@]}"
}

_apiyi_value() {
    case $1 in
        at) [[ $value == @* ]] && _apiyi_at_files ;;
        file) if [[ $value == @* ]]; then _apiyi_at_files; else _apiyi_files default; fi ;;
        dir) _apiyi_files dirnames ;;
        model) _apiyi_models ;;
        profile) _apiyi_profiles ;;
        template) _apiyi_templates ;;
        model=*) _apiyi_models; _apiyi_offer ${1#*=} ;;
        =*) _apiyi_offer ${1#=} ;;
    esac
}

# Offers the options that are not there yet; those with a * may be given again.
_apiyi_options() {
    local spelling group left=" $options "
    for spelling in $given; do
        group=" ([^ *|]+\|)*$spelling(\|[^ ]+)* "
        [[ $left =~ $group ]] && left=${left/"${BASH_REMATCH[0]}"/ }
    done
    for spelling in ${left//[|*]/ }; do
        [[ $spelling == "$value"* ]] && COMPREPLY+=("$spelling")
    done
}

_apiyi() {
    local IFS=$' \t\n' words at value lead= command= taker= literal= given=' ' count=0
    local commands= options= takers= arguments= rule= profile= noglob=
    [[ $- == *f* ]] && noglob=1
    set -f
    COMPREPLY=()
    _apiyi_split
    _apiyi_walk
    value=${words[at]}
    if [[ -n $taker ]]; then
        _apiyi_rule "$command" "$taker"
        _apiyi_value "$rule"
    elif [[ $value == --*=* && -z $literal ]]; then
        taker=${value%%=*}
        value=${value#*=}
        [[ $COMP_WORDBREAKS == *=* ]] || lead=$taker=
        _apiyi_rule "$command" "$taker"
        _apiyi_value "$rule"
    elif [[ $value == -* && -z $literal ]]; then
        _apiyi_options
    elif [[ -n $commands ]]; then
        _apiyi_offer $commands
    else
        _apiyi_argument "$command" "$count"
        _apiyi_value "$rule"
    fi
    [[ -n $noglob ]] || set +f
}

complete -F _apiyi apiyi
