# PowerShell completion for apiyi
# Made from the option table by `make manual`: changes to this file will be lost.

Register-ArgumentCompleter -Native -CommandName apiyi -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $table = @{
        '' = @{
            Commands = [ordered]@{
                chat = 'Send a chat completion and print the answer as it comes.'
                complete = 'Send a legacy completion.'
                respond = 'Ask the Responses endpoint.'
                embed = 'Embed texts: one JSON line with a vector for each.'
                rank = 'Put texts in the order of how well they answer a query.'
                image = 'Draw, edit or vary pictures and save them.'
                video = 'Make videos from prompts, pictures and clips, and save them.'
                transcribe = 'Write down what recordings say.'
                speak = 'Read a text aloud, to a file or a player.'
                playground = 'Serve a web page for every endpoint on this machine.'
                api = 'Call any path of the gateway, raw.'
                batch = 'Send thousands of requests from a file, resumable.'
                models = 'List or search the gateway''s models.'
                balance = 'Show what is left in the account, in US dollars.'
                session = 'Show and remove kept conversations.'
                usage = 'Show what was used: requests, tokens, estimated cost.'
                cache = 'Look at and clear the response cache.'
                auth = 'Keep keys in the OS keyring.'
                config = 'Read and write config.toml.'
                doctor = 'Check what works and what does not.'
                sandbox = 'Run the offline gateway in the foreground.'
                completion = 'Print the completion script of a shell.'
                mcp = 'Serve the commands to agents as tools over MCP.'
                skill = 'Print a skill file for coding agents.'
                describe = 'Print the whole command line as a JSON Schema.'
                help = 'Print the help of a command, or a topic.'
            }
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell what is sent.' }
                @{ Names = @('-V', '--version'); Help = 'Print the version.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'chat' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask (repeatable: compare). Else APIYI_MODEL, else the profile''s.'; Many = $true; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('-t', '--template'); Help = 'Template of the prompt: templates/NAME.md in the configuration folder.'; Rule = 'template' }
                @{ Names = @('-p', '--param'); Help = 'Value for a {name} of the template (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-e', '--edit'); Help = 'Write or change the prompt in $EDITOR first.' }
                @{ Names = @('-s', '--system'); Help = 'System prompt (@FILE reads a file).'; Rule = 'at' }
                @{ Names = @('-a', '--attach'); Help = 'Attach an image, audio or PDF, by path or URL (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--messages'); Help = 'Conversation to send: JSON array or NDJSON of messages (- for stdin).'; Rule = 'file' }
                @{ Names = @('--session'); Help = 'Keep the conversation under this name, and go on with it.'; Rule = 'text' }
                @{ Names = @('--last'); Help = 'Print the last answer of this terminal again; sends nothing.' }
                @{ Names = @('-c', '--continue'); Help = 'Go on with the last exchange on this terminal, or a session used later.' }
                @{ Names = @('--no-keep'); Help = 'Keep neither messages nor the prompt history.' }
                @{ Names = @('-i', '--interactive'); Help = 'Talk on the terminal, turn by turn (also without a prompt); /help lists commands.' }
                @{ Names = @('--strict'); Help = 'End the conversation with the exit code of its last turn.' }
                @{ Names = @('--temperature'); Help = 'Sampling temperature.'; Rule = 'text' }
                @{ Names = @('--top-p'); Help = 'Nucleus: probability mass to sample from.'; Rule = 'text' }
                @{ Names = @('--max-tokens'); Help = 'Most tokens to answer with.'; Rule = 'text' }
                @{ Names = @('--n'); Help = 'Answers to give.'; Rule = 'text' }
                @{ Names = @('--stop'); Help = 'Text that ends the answer (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--seed'); Help = 'Seed for repeatable sampling.'; Rule = 'text' }
                @{ Names = @('--presence-penalty'); Help = 'Penalty for words that occurred.'; Rule = 'text' }
                @{ Names = @('--frequency-penalty'); Help = 'Penalty by how often words occurred.'; Rule = 'text' }
                @{ Names = @('--logit-bias'); Help = 'Bias of one token id, -100 to 100 (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--user'); Help = 'End user''s id, for abuse reports.'; Rule = 'text' }
                @{ Names = @('--logprobs'); Help = 'Ask for log probabilities (see them with --json).' }
                @{ Names = @('--no-logprobs'); Help = 'The opposite of --logprobs.' }
                @{ Names = @('--top-logprobs'); Help = 'Likeliest tokens to report at each place.'; Rule = 'text' }
                @{ Names = @('--reasoning-effort', '--effort'); Help = 'How long to think: none, minimal, low, medium, high, xhigh, max.'; Rule = '=none minimal low medium high xhigh max' }
                @{ Names = @('--verbosity'); Help = 'How much to say: low, medium, high.'; Rule = '=low medium high' }
                @{ Names = @('--protocol'); Help = 'Form of the request: auto, openai, anthropic (claude-*), google (gemini-*).'; Rule = '=auto openai anthropic google' }
                @{ Names = @('--cache-prompt'); Help = 'Have the gateway cache the system text and the -f files (claude-*).' }
                @{ Names = @('--no-cache-prompt'); Help = 'The opposite of --cache-prompt.' }
                @{ Names = @('--schema'); Help = 'Answer as JSON that fits: FILE, @FILE, JSON Schema, or ''name, age int''.'; Rule = 'file' }
                @{ Names = @('--json-mode'); Help = 'Ask for an answer that is a JSON object.' }
                @{ Names = @('--stream'); Help = 'Print the answer as it is made.' }
                @{ Names = @('--no-stream'); Help = 'The opposite of --stream.' }
                @{ Names = @('-x', '--extract'); Help = 'Print the first fenced code block only (else all).' }
                @{ Names = @('--save'); Help = 'Save pictures, sound and files of the answer, as ''out/{n}.{ext}'' or DIR/.'; Rule = 'file' }
                @{ Names = @('-R', '--hide-reasoning'); Help = 'Do not show reasoning on stderr.' }
                @{ Names = @('--markdown'); Help = 'Render Markdown on a terminal, with --color always in a pipe as well.' }
                @{ Names = @('--no-markdown'); Help = 'The opposite of --markdown.' }
                @{ Names = @('--newline'); Help = 'End the answer with a newline.' }
                @{ Names = @('--no-newline'); Help = 'The opposite of --newline.' }
                @{ Names = @('--strict-finish'); Help = 'Exit 8 when the answer is cut by length or filter.' }
                @{ Names = @('--tool'); Help = 'Function schema: FILE, @FILE or JSON (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--tool-choice'); Help = 'auto, none, required or the NAME of a tool.'; Rule = 'text' }
                @{ Names = @('--parallel-tools'); Help = 'Let the model call several tools at once.' }
                @{ Names = @('--no-parallel-tools'); Help = 'The opposite of --parallel-tools.' }
                @{ Names = @('--run'); Help = 'Run COMMAND for the tool NAME: arguments on its stdin, result from its stdout.'; Many = $true; Rule = 'text' }
                @{ Names = @('--mcp'); Help = 'Offer the tools of an MCP server: a command, or a URL (extra: apiyi-cli[mcp]).'; Many = $true; Rule = 'text' }
                @{ Names = @('--mcp-header'); Help = 'Header for the URL of --mcp, of several after its host: ''HOST Name: value''; the last word may be @FILE or ''$NAME'' (repeatable).'; Many = $true; Rule = 'at' }
                @{ Names = @('--yes'); Help = 'Run them without asking on the terminal.' }
                @{ Names = @('--max-steps'); Help = 'Requests to make at most before the calls must have ended.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'complete' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('-t', '--template'); Help = 'Template of the prompt: templates/NAME.md in the configuration folder.'; Rule = 'template' }
                @{ Names = @('-p', '--param'); Help = 'Value for a {name} of the template (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-e', '--edit'); Help = 'Write or change the prompt in $EDITOR first.' }
                @{ Names = @('--suffix'); Help = 'Text that comes after the completion (insertion).'; Rule = 'text' }
                @{ Names = @('--echo'); Help = 'Print the prompt before the completion.' }
                @{ Names = @('--best-of'); Help = 'Make N on the server and give the best (turns streaming off).'; Rule = 'text' }
                @{ Names = @('--logprobs'); Help = 'Log probabilities of the N likeliest tokens (see them with --json).'; Rule = 'text' }
                @{ Names = @('--lines'); Help = 'Each line of stdin is a prompt; NDJSON out.' }
                @{ Names = @('--batch-size'); Help = 'Prompts in one request, with --lines.'; Rule = 'text' }
                @{ Names = @('--temperature'); Help = 'Sampling temperature.'; Rule = 'text' }
                @{ Names = @('--top-p'); Help = 'Nucleus: probability mass to sample from.'; Rule = 'text' }
                @{ Names = @('--max-tokens'); Help = 'Most tokens to answer with.'; Rule = 'text' }
                @{ Names = @('--n'); Help = 'Answers to give.'; Rule = 'text' }
                @{ Names = @('--stop'); Help = 'Text that ends the answer (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--seed'); Help = 'Seed for repeatable sampling.'; Rule = 'text' }
                @{ Names = @('--presence-penalty'); Help = 'Penalty for words that occurred.'; Rule = 'text' }
                @{ Names = @('--frequency-penalty'); Help = 'Penalty by how often words occurred.'; Rule = 'text' }
                @{ Names = @('--logit-bias'); Help = 'Bias of one token id, -100 to 100 (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--user'); Help = 'End user''s id, for abuse reports.'; Rule = 'text' }
                @{ Names = @('--schema'); Help = 'Answer as JSON that fits: FILE, @FILE, JSON Schema, or ''name, age int''.'; Rule = 'file' }
                @{ Names = @('--json-mode'); Help = 'Ask for an answer that is a JSON object.' }
                @{ Names = @('--stream'); Help = 'Print the answer as it is made.' }
                @{ Names = @('--no-stream'); Help = 'The opposite of --stream.' }
                @{ Names = @('-x', '--extract'); Help = 'Print the first fenced code block only (else all).' }
                @{ Names = @('--save'); Help = 'Save pictures, sound and files of the answer, as ''out/{n}.{ext}'' or DIR/.'; Rule = 'file' }
                @{ Names = @('-R', '--hide-reasoning'); Help = 'Do not show reasoning on stderr.' }
                @{ Names = @('--markdown'); Help = 'Render Markdown on a terminal, with --color always in a pipe as well.' }
                @{ Names = @('--no-markdown'); Help = 'The opposite of --markdown.' }
                @{ Names = @('--newline'); Help = 'End the answer with a newline.' }
                @{ Names = @('--no-newline'); Help = 'The opposite of --newline.' }
                @{ Names = @('--strict-finish'); Help = 'Exit 8 when the answer is cut by length or filter.' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'respond' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('-t', '--template'); Help = 'Template of the prompt: templates/NAME.md in the configuration folder.'; Rule = 'template' }
                @{ Names = @('-p', '--param'); Help = 'Value for a {name} of the template (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-e', '--edit'); Help = 'Write or change the prompt in $EDITOR first.' }
                @{ Names = @('-s', '--system'); Help = 'System prompt (@FILE reads a file).'; Rule = 'at' }
                @{ Names = @('-a', '--attach'); Help = 'Attach an image, audio or PDF, by path or URL (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--messages'); Help = 'Conversation to send: JSON array or NDJSON of messages (- for stdin).'; Rule = 'file' }
                @{ Names = @('--session'); Help = 'Keep the conversation under this name, and go on with it.'; Rule = 'text' }
                @{ Names = @('--last'); Help = 'Print the last answer of this terminal again; sends nothing.' }
                @{ Names = @('-c', '--continue'); Help = 'Go on with the last exchange on this terminal, or a session used later.' }
                @{ Names = @('--no-keep'); Help = 'Keep neither messages nor the prompt history.' }
                @{ Names = @('--instructions'); Help = 'System text (@FILE reads a file).'; Rule = 'at' }
                @{ Names = @('--web-search'); Help = 'Let the model search the web.' }
                @{ Names = @('--max-output-tokens', '--max-tokens'); Help = 'Most tokens to answer with, reasoning included.'; Rule = 'text' }
                @{ Names = @('--temperature'); Help = 'Sampling temperature.'; Rule = 'text' }
                @{ Names = @('--top-p'); Help = 'Nucleus: probability mass to sample from.'; Rule = 'text' }
                @{ Names = @('--top-logprobs'); Help = 'Likeliest tokens to report at each place.'; Rule = 'text' }
                @{ Names = @('--user'); Help = 'End user''s id, for abuse reports.'; Rule = 'text' }
                @{ Names = @('--reasoning-effort', '--effort'); Help = 'How long to think: none, minimal, low, medium, high, xhigh, max.'; Rule = '=none minimal low medium high xhigh max' }
                @{ Names = @('--reasoning-summary'); Help = 'Show the reasoning''s summary: auto, concise, detailed.'; Rule = '=auto concise detailed' }
                @{ Names = @('--verbosity'); Help = 'How much to say: low, medium, high.'; Rule = '=low medium high' }
                @{ Names = @('--protocol'); Help = 'Form of the request: auto, openai, anthropic (claude-*), google (gemini-*).'; Rule = '=auto openai anthropic google' }
                @{ Names = @('--cache-prompt'); Help = 'Have the gateway cache the system text and the -f files (claude-*).' }
                @{ Names = @('--no-cache-prompt'); Help = 'The opposite of --cache-prompt.' }
                @{ Names = @('--schema'); Help = 'Answer as JSON that fits: FILE, @FILE, JSON Schema, or ''name, age int''.'; Rule = 'file' }
                @{ Names = @('--json-mode'); Help = 'Ask for an answer that is a JSON object.' }
                @{ Names = @('--stream'); Help = 'Print the answer as it is made.' }
                @{ Names = @('--no-stream'); Help = 'The opposite of --stream.' }
                @{ Names = @('-x', '--extract'); Help = 'Print the first fenced code block only (else all).' }
                @{ Names = @('--save'); Help = 'Save pictures, sound and files of the answer, as ''out/{n}.{ext}'' or DIR/.'; Rule = 'file' }
                @{ Names = @('-R', '--hide-reasoning'); Help = 'Do not show reasoning on stderr.' }
                @{ Names = @('--markdown'); Help = 'Render Markdown on a terminal, with --color always in a pipe as well.' }
                @{ Names = @('--no-markdown'); Help = 'The opposite of --markdown.' }
                @{ Names = @('--newline'); Help = 'End the answer with a newline.' }
                @{ Names = @('--no-newline'); Help = 'The opposite of --newline.' }
                @{ Names = @('--strict-finish'); Help = 'Exit 8 when the answer is cut by length or filter.' }
                @{ Names = @('--tool'); Help = 'Function schema: FILE, @FILE or JSON (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--tool-choice'); Help = 'auto, none, required or the NAME of a tool.'; Rule = 'text' }
                @{ Names = @('--parallel-tools'); Help = 'Let the model call several tools at once.' }
                @{ Names = @('--no-parallel-tools'); Help = 'The opposite of --parallel-tools.' }
                @{ Names = @('--run'); Help = 'Run COMMAND for the tool NAME: arguments on its stdin, result from its stdout.'; Many = $true; Rule = 'text' }
                @{ Names = @('--mcp'); Help = 'Offer the tools of an MCP server: a command, or a URL (extra: apiyi-cli[mcp]).'; Many = $true; Rule = 'text' }
                @{ Names = @('--mcp-header'); Help = 'Header for the URL of --mcp, of several after its host: ''HOST Name: value''; the last word may be @FILE or ''$NAME'' (repeatable).'; Many = $true; Rule = 'at' }
                @{ Names = @('--yes'); Help = 'Run them without asking on the terminal.' }
                @{ Names = @('--max-steps'); Help = 'Requests to make at most before the calls must have ended.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'embed' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('--lines'); Help = 'Each line of stdin is one input.' }
                @{ Names = @('--jsonl'); Help = 'Each line of stdin is an object: embed its FIELD, print it with `embedding`.'; Rule = 'text' }
                @{ Names = @('--text'); Help = 'Repeat the text in the output.' }
                @{ Names = @('--no-text'); Help = 'The opposite of --text.' }
                @{ Names = @('--dimensions'); Help = 'Length of the vectors (text-embedding-3 models).'; Rule = 'text' }
                @{ Names = @('--base64'); Help = 'Base64 on the wire (smaller); the output is the same.' }
                @{ Names = @('--batch-size'); Help = 'Inputs in one request.'; Rule = 'text' }
                @{ Names = @('--user'); Help = 'End user''s id, for abuse reports.'; Rule = 'text' }
                @{ Names = @('-j', '--jobs'); Help = 'Requests at once.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'rank' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('--lines'); Help = 'Each line of stdin is a document (the default).' }
                @{ Names = @('--jsonl'); Help = 'Each line of stdin is an object: rank by its FIELD, print the object.'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Each file is a document, print the names; words after QUERY are files, too.'; Many = $true; Rule = 'file' }
                @{ Names = @('--vectors'); Help = 'Search the vectors that embed wrote (NDJSON, or .npy with its .jsonl).'; Rule = 'file' }
                @{ Names = @('-n', '--top'); Help = 'Print the best N alone (--vectors: 10).'; Rule = 'text' }
                @{ Names = @('--threshold'); Help = 'Print what has at least this score.'; Rule = 'text' }
                @{ Names = @('-j', '--jobs'); Help = 'Requests at once.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'image' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('-i', '--input'); Help = 'Edit this picture (repeatable, - for stdin; where it goes in JSON also a URL).'; Many = $true; Rule = 'file' }
                @{ Names = @('--mask'); Help = 'PNG whose transparent parts are repainted, as large as the first -i.'; Rule = 'file' }
                @{ Names = @('--vary'); Help = 'Make variations of the one -i, without a prompt.' }
                @{ Names = @('--lines'); Help = 'Each line of stdin is a prompt.' }
                @{ Names = @('--n'); Help = 'Pictures for each prompt.'; Rule = 'text' }
                @{ Names = @('--size'); Help = 'Pixels as WIDTHxHEIGHT, or auto; 1K, 2K, 3K, 4K (Gemini, Seedream).'; Rule = '=auto 1K 2K 3K 4K' }
                @{ Names = @('--quality'); Help = 'low, medium, high, xhigh, max, auto (gpt-image); standard, hd (dall-e).'; Rule = '=low medium high xhigh max auto standard hd' }
                @{ Names = @('--style'); Help = 'vivid or natural (dall-e-3).'; Rule = '=vivid natural' }
                @{ Names = @('--background'); Help = 'transparent (png or webp), opaque or auto.'; Rule = '=transparent opaque auto' }
                @{ Names = @('--output-format'); Help = 'png, jpeg, webp, gif or svg, where the model offers a choice.'; Rule = '=png jpeg webp gif svg' }
                @{ Names = @('--output-compression'); Help = 'Quality of jpeg and webp in percent.'; Rule = 'text' }
                @{ Names = @('--aspect-ratio'); Help = 'WIDTH:HEIGHT, such as 16:9 (Gemini, FLUX, grok-imagine).'; Rule = 'text' }
                @{ Names = @('--seed'); Help = 'Try for the same picture each time (FLUX).'; Rule = 'text' }
                @{ Names = @('--skip-existing'); Help = 'Make only the pictures whose files are not there yet.' }
                @{ Names = @('--preview'); Help = 'Show the pictures on the terminal (kitty, iTerm2, else chafa).' }
                @{ Names = @('--no-preview'); Help = 'The opposite of --preview.' }
                @{ Names = @('--allow-private'); Help = 'Fetch pictures from private addresses and over http, too.' }
                @{ Names = @('-j', '--jobs'); Help = 'Requests at once.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'video' = @{
            Arguments = @('=list resume cancel forget')
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('-i', '--input'); Help = 'Begin from this picture, clip or sound (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--first'); Help = 'Picture that the video begins with.'; Rule = 'file' }
                @{ Names = @('--last'); Help = 'Picture that the video ends with.'; Rule = 'file' }
                @{ Names = @('--reference'); Help = 'Picture, clip or sound to be guided by (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--lines'); Help = 'Each line of stdin is a prompt.' }
                @{ Names = @('--duration'); Help = 'Length in seconds; Seedance: -1 lets the model choose.'; Rule = 'text' }
                @{ Names = @('--resolution'); Help = '480p, 720p, 1080p, as the model offers.'; Rule = 'text' }
                @{ Names = @('--ratio'); Help = 'WIDTH:HEIGHT such as 16:9, or adaptive.'; Rule = 'text' }
                @{ Names = @('--seed'); Help = 'Try for the same video each time.'; Rule = 'text' }
                @{ Names = @('--audio'); Help = 'With or without sound (else the model''s).' }
                @{ Names = @('--no-audio'); Help = 'The opposite of --audio.' }
                @{ Names = @('--poll'); Help = 'Seconds between two looks at a task.'; Rule = 'text' }
                @{ Names = @('--skip-existing'); Help = 'Make only the videos whose files are not there yet.' }
                @{ Names = @('--allow-private'); Help = 'Fetch videos from private addresses and over http, too.' }
                @{ Names = @('-j', '--jobs'); Help = 'Requests at once.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'transcribe' = @{
            Arguments = @('file')
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('--format'); Help = 'text, json, srt, vtt, verbose_json...'; Rule = '=text json srt vtt verbose_json' }
                @{ Names = @('--language'); Help = 'Language of the recording (ISO 639-1: en, zh).'; Rule = 'text' }
                @{ Names = @('--prompt'); Help = 'Names and terms to expect, or the text before (@FILE reads a file).'; Rule = 'at' }
                @{ Names = @('--temperature'); Help = 'Sampling temperature.'; Rule = 'text' }
                @{ Names = @('--timestamps'); Help = 'Times of each word, segment or both (word,segment), as verbose_json.'; Rule = '=word segment word,segment' }
                @{ Names = @('--diarize'); Help = 'Tell the speakers apart (gpt-4o-transcribe-diarize).' }
                @{ Names = @('--translate'); Help = 'Translate into English (whisper-1).' }
                @{ Names = @('--stream'); Help = 'Print the text as it is heard (not whisper-1).' }
                @{ Names = @('--no-stream'); Help = 'The opposite of --stream.' }
                @{ Names = @('--split'); Help = 'Cut files over 25 MB at silences (needs ffmpeg) and join the texts.' }
                @{ Names = @('--skip-existing'); Help = 'Send only the recordings whose -o files are not there yet.' }
                @{ Names = @('-j', '--jobs'); Help = 'Requests at once.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'speak' = @{
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('-f', '--file'); Help = 'Add a text file before the prompt (repeatable, - for stdin).'; Many = $true; Rule = 'file' }
                @{ Names = @('-n', '--no-stdin'); Help = 'Never read stdin.' }
                @{ Names = @('--voice'); Help = 'Who reads: alloy (the default), ash, ballad, coral, echo, sage, shimmer, verse...'; Rule = 'text' }
                @{ Names = @('--format'); Help = 'mp3, opus, aac, flac, wav, pcm... Else by the extension of -o, else mp3.'; Rule = '=mp3 opus aac flac wav pcm' }
                @{ Names = @('--speed'); Help = 'How fast, 1 being usual.'; Rule = 'text' }
                @{ Names = @('--instructions'); Help = 'How to read it: tone, accent, pace (@FILE reads a file; not tts-1).'; Rule = 'at' }
                @{ Names = @('--split'); Help = 'Read a text over 4,096 characters in parts, and join the sound.' }
                @{ Names = @('--skip-existing'); Help = 'Send nothing if the -o file is there already.' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'playground' = @{
            Arguments = @('=chat respond complete embed rank image video transcribe speak api models')
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--port'); Help = 'Port to listen on (0: any free one).'; Rule = 'text' }
                @{ Names = @('--no-open'); Help = 'Do not open the browser.' }
                @{ Names = @('--idle'); Help = 'End when nobody has used the page so long: 90s, 30m, 2h.'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the day''s estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--no-history'); Help = 'Keep no history.' }
                @{ Names = @('--allow-api'); Help = 'Let the page''s `api` use every method.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'api' = @{
            Options = @(
                @{ Names = @('-f', '--raw-field'); Help = 'Field as a string, KEY=VALUE (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-F', '--field'); Help = 'Field as JSON where it is JSON; @FILE reads a file (repeatable).'; Many = $true; Rule = 'at' }
                @{ Names = @('--input'); Help = 'File that is the body, byte for byte (- for stdin).'; Rule = 'file' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'batch' = @{
            Arguments = @('file')
            Options = @(
                @{ Names = @('-m', '--model'); Help = 'Model to ask. Else APIYI_MODEL (for text), else the profile''s.'; Rule = 'model' }
                @{ Names = @('--force-model'); Help = 'Send the model even if its family is known not to do this.' }
                @{ Names = @('--encoding'); Help = 'Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...'; Rule = 'text' }
                @{ Names = @('--endpoint'); Help = 'Command that the rows are for (chat, or what their url says).'; Rule = '=chat complete respond embed rank image transcribe speak' }
                @{ Names = @('--format'); Help = 'jsonl, csv, tsv or lines. Else by the extension, else jsonl.'; Rule = '=jsonl csv tsv lines' }
                @{ Names = @('--lines'); Help = 'Each line of FILE is an input.' }
                @{ Names = @('--template'); Help = 'Input made of columns or fields: ''Translate: {text}''.'; Rule = 'text' }
                @{ Names = @('--params'); Help = 'Columns or fields that are request fields, the rest being data: temperature,stop.'; Rule = 'text' }
                @{ Names = @('--delimiter'); Help = 'What stands between the columns of a table. Else found on its header.'; Rule = 'text' }
                @{ Names = @('--quote'); Help = 'Quotes hold a column together, in tables with tabs, too.' }
                @{ Names = @('--no-quote'); Help = 'The opposite of --quote.' }
                @{ Names = @('--stream'); Help = 'Let answers in text stream underneath where the model is known to, so that no silence ends long ones (default).' }
                @{ Names = @('--no-stream'); Help = 'The opposite of --stream.' }
                @{ Names = @('--shard'); Help = 'Only the rows whose id belongs to part K of N (K from 0 or from 1).'; Rule = 'text' }
                @{ Names = @('--rows'); Help = 'For batch verify: the input; each of its rows must have exactly one answer.'; Rule = 'file' }
                @{ Names = @('--limit'); Help = 'Send at most N rows this time.'; Rule = 'text' }
                @{ Names = @('--strict'); Help = 'Send nothing unless every row is good; refuse unknown fields.' }
                @{ Names = @('--check'); Help = 'Check all rows, estimate tokens and time, send nothing.' }
                @{ Names = @('--retry-failed'); Help = 'Run rows again that failed for good.' }
                @{ Names = @('--on-unknown'); Help = 'Rows in flight when a run died: retry (pictures: skip), skip or fail.'; Rule = '=retry skip fail' }
                @{ Names = @('--resume'); Help = 'Go on with an output that has no journal, or another input''s.' }
                @{ Names = @('--repair'); Help = 'Put broken lines of output and journal aside.' }
                @{ Names = @('--fsync'); Help = 'When records reach the disk: group (each second), always or never.'; Rule = '=group always never' }
                @{ Names = @('--max-errors'); Help = 'Stop after N failed rows, or N% of 20 and more.'; Rule = 'text' }
                @{ Names = @('--fail-fast'); Help = 'Stop at the first failed row.' }
                @{ Names = @('-x', '--extract'); Help = 'Judge and write the first fenced code block only (else all).' }
                @{ Names = @('--strict-finish'); Help = 'Answers that are cut, filtered, refused or empty are failures.' }
                @{ Names = @('--retry-misfit'); Help = 'Ask again, at most N times, for an answer that does not fit --schema (paid).'; Rule = 'text' }
                @{ Names = @('--join'); Help = 'Put the input row into its record, as `row`.' }
                @{ Names = @('--ordered'); Help = 'Records in the order of the rows.' }
                @{ Names = @('--text'); Help = 'The answers'' texts instead of records.' }
                @{ Names = @('--answer'); Help = 'Column of the answers in -o FILE.csv or .tsv (default: answer).'; Rule = 'text' }
                @{ Names = @('--errors'); Help = 'Write the records of failed rows to this file.'; Rule = 'file' }
                @{ Names = @('--summary'); Help = 'Write the summary as JSON to this file (-: stdout).'; Rule = 'file' }
                @{ Names = @('--save'); Help = 'Where pictures of rows go; default {id}.{ext} beside the output.'; Rule = 'text' }
                @{ Names = @('-j', '--jobs'); Help = 'Requests at once.'; Rule = 'text' }
                @{ Names = @('-s', '--system'); Help = 'System prompt (@FILE reads a file).'; Rule = 'at' }
                @{ Names = @('--temperature'); Help = 'Sampling temperature.'; Rule = 'text' }
                @{ Names = @('--top-p'); Help = 'Nucleus: probability mass to sample from.'; Rule = 'text' }
                @{ Names = @('--max-tokens'); Help = 'Most tokens to answer with.'; Rule = 'text' }
                @{ Names = @('--n'); Help = 'Answers to give.'; Rule = 'text' }
                @{ Names = @('--stop'); Help = 'Text that ends the answer (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--seed'); Help = 'Seed for repeatable sampling.'; Rule = 'text' }
                @{ Names = @('--presence-penalty'); Help = 'Penalty for words that occurred.'; Rule = 'text' }
                @{ Names = @('--frequency-penalty'); Help = 'Penalty by how often words occurred.'; Rule = 'text' }
                @{ Names = @('--logit-bias'); Help = 'Bias of one token id, -100 to 100 (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--user'); Help = 'End user''s id, for abuse reports.'; Rule = 'text' }
                @{ Names = @('--logprobs'); Help = 'Ask for log probabilities (see them with --json).' }
                @{ Names = @('--no-logprobs'); Help = 'The opposite of --logprobs.' }
                @{ Names = @('--top-logprobs'); Help = 'Likeliest tokens to report at each place.'; Rule = 'text' }
                @{ Names = @('--reasoning-effort', '--effort'); Help = 'How long to think: none, minimal, low, medium, high, xhigh, max.'; Rule = '=none minimal low medium high xhigh max' }
                @{ Names = @('--verbosity'); Help = 'How much to say: low, medium, high.'; Rule = '=low medium high' }
                @{ Names = @('--protocol'); Help = 'Form of the request: auto, openai, anthropic (claude-*), google (gemini-*).'; Rule = '=auto openai anthropic google' }
                @{ Names = @('--schema'); Help = 'Answer as JSON that fits: FILE, @FILE, JSON Schema, or ''name, age int''.'; Rule = 'file' }
                @{ Names = @('--json-mode'); Help = 'Ask for an answer that is a JSON object.' }
                @{ Names = @('--tool'); Help = 'Function schema: FILE, @FILE or JSON (repeatable).'; Many = $true; Rule = 'file' }
                @{ Names = @('--tool-choice'); Help = 'auto, none, required or the NAME of a tool.'; Rule = 'text' }
                @{ Names = @('--parallel-tools'); Help = 'Let the model call several tools at once.' }
                @{ Names = @('--no-parallel-tools'); Help = 'The opposite of --parallel-tools.' }
                @{ Names = @('--suffix'); Help = 'Text that comes after the completion (insertion).'; Rule = 'text' }
                @{ Names = @('--echo'); Help = 'Print the prompt before the completion.' }
                @{ Names = @('--best-of'); Help = 'Make N on the server and give the best (turns streaming off).'; Rule = 'text' }
                @{ Names = @('--web-search'); Help = 'Let the model search the web.' }
                @{ Names = @('--reasoning-summary'); Help = 'Show the reasoning''s summary: auto, concise, detailed.'; Rule = '=auto concise detailed' }
                @{ Names = @('--dimensions'); Help = 'Length of the vectors (text-embedding-3 models).'; Rule = 'text' }
                @{ Names = @('--base64'); Help = 'Base64 on the wire (smaller); the output is the same.' }
                @{ Names = @('--batch-size'); Help = 'Inputs in one request.'; Rule = 'text' }
                @{ Names = @('--size'); Help = 'Pixels as WIDTHxHEIGHT, or auto; 1K, 2K, 3K, 4K (Gemini, Seedream).'; Rule = '=auto 1K 2K 3K 4K' }
                @{ Names = @('--quality'); Help = 'low, medium, high, xhigh, max, auto (gpt-image); standard, hd (dall-e).'; Rule = '=low medium high xhigh max auto standard hd' }
                @{ Names = @('--style'); Help = 'vivid or natural (dall-e-3).'; Rule = '=vivid natural' }
                @{ Names = @('--background'); Help = 'transparent (png or webp), opaque or auto.'; Rule = '=transparent opaque auto' }
                @{ Names = @('--output-format'); Help = 'png, jpeg, webp, gif or svg, where the model offers a choice.'; Rule = '=png jpeg webp gif svg' }
                @{ Names = @('--output-compression'); Help = 'Quality of jpeg and webp in percent.'; Rule = 'text' }
                @{ Names = @('--aspect-ratio'); Help = 'WIDTH:HEIGHT, such as 16:9 (Gemini, FLUX, grok-imagine).'; Rule = 'text' }
                @{ Names = @('--allow-private'); Help = 'Fetch pictures from private addresses and over http, too.' }
                @{ Names = @('--language'); Help = 'Language of the recording (ISO 639-1: en, zh).'; Rule = 'text' }
                @{ Names = @('--timestamps'); Help = 'Times of each word, segment or both (word,segment), as verbose_json.'; Rule = '=word segment word,segment' }
                @{ Names = @('--diarize'); Help = 'Tell the speakers apart (gpt-4o-transcribe-diarize).' }
                @{ Names = @('--translate'); Help = 'Translate into English (whisper-1).' }
                @{ Names = @('--voice'); Help = 'Who reads: alloy (the default), ash, ballad, coral, echo, sage, shimmer, verse...'; Rule = 'text' }
                @{ Names = @('--speed'); Help = 'How fast, 1 being usual.'; Rule = 'text' }
                @{ Names = @('--instructions'); Help = 'How to read it: tone, accent, pace (@FILE reads a file; not tts-1).'; Rule = 'at' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'Errors, and what --check finds, as JSON.' }
                @{ Names = @('--ndjson'); Help = 'The same as --json: records are JSON lines anyway.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'The summary with its token counts, even with -q.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'models' = @{
            Arguments = @('model=show')
            Options = @(
                @{ Names = @('--update', '--update-prices'); Help = 'Fetch the price list that cost estimates are made from.' }
                @{ Names = @('--grep'); Help = 'Only models with this text in their names.'; Rule = 'text' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-O', '--option'); Help = 'Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.'; Many = $true; Rule = 'at' }
                @{ Names = @('--dry-run'); Help = 'Print the request as JSON and send nothing.' }
                @{ Names = @('--code'); Help = 'Print the request as a program in this language.'; Rule = '=curl python requests node java csharp go php ruby' }
                @{ Names = @('--cache'); Help = 'Answer an identical request from the cache, if younger than TTL (30d).'; Rule = 'text' }
                @{ Names = @('--max-cost'); Help = 'Send nothing that brings the estimated cost above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--tag'); Help = 'Label of the request in the usage ledger (apiyi usage --by tag).'; Rule = 'text' }
                @{ Names = @('--no-cache'); Help = 'Do not use the cache.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'balance' = @{
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'session' = @{
            Commands = [ordered]@{
                list = 'List the conversations, the one that was used last first.'
                show = 'Print a conversation: its messages as NDJSON, as --messages reads them.'
                rm = 'Remove conversations.'
            }
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'session list' = @{
            Options = @(
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'session show' = @{
            Options = @(
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'session rm' = @{
            Options = @(
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'usage' = @{
            Options = @(
                @{ Names = @('--since'); Help = 'How far back: 24h, 7d, 4w, or a date 2026-01-31 (30d; with --remote 7d).'; Rule = 'text' }
                @{ Names = @('--by'); Help = 'What to sum by (model).'; Rule = '=model day profile endpoint tag' }
                @{ Names = @('--remote'); Help = 'Show the gateway''s own charges (needs the system token).' }
                @{ Names = @('--reconcile'); Help = 'Say which requests without a known end the gateway billed.' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'cache' = @{
            Commands = [ordered]@{
                path = 'Print where the cache is.'
                stats = 'Show how many answers are kept and how large they are.'
                clear = 'Remove every kept answer.'
            }
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'cache path' = @{
            Options = @(
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'cache stats' = @{
            Options = @(
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'cache clear' = @{
            Options = @(
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'auth' = @{
            Commands = [ordered]@{
                login = 'Ask for a key, check it, keep it for the profile, and choose its models.'
                status = 'Tell which key is in use, where it comes from, and whether its hosts answer.'
                logout = 'Remove the profile''s key from the keyring and from the file.'
                token = 'Print the key in use on stdout, for another program.'
            }
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'auth login' = @{
            Options = @(
                @{ Names = @('--with-token'); Help = 'Read the key from stdin.' }
                @{ Names = @('--no-check'); Help = 'Keep the key without asking the gateway.' }
                @{ Names = @('--insecure-storage'); Help = 'Keep it in a 0600 file, not in the keyring.' }
                @{ Names = @('--system-token'); Help = 'Keep the account''s token (for balance and charges).' }
                @{ Names = @('--no-models'); Help = 'Leave the models of the profile as they are.' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'auth status' = @{
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'auth logout' = @{
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'auth token' = @{
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'config' = @{
            Commands = [ordered]@{
                list = 'List every value in force: flags, environment, profile and defaults.'
                get = 'Print one value: the one in force, or, with profile.NAME before it, the file''s.'
                set = 'Set one value in the file, for the profile in use unless KEY names another.'
                unset = 'Take one value, or a whole profile, out of the file.'
                path = 'Print where the file is, whether or not it exists.'
                edit = 'Open the file in $VISUAL or $EDITOR; what is saved is checked before it counts.'
            }
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'config list' = @{
            Options = @(
                @{ Names = @('--origin'); Help = 'Tell where each value comes from.' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'config get' = @{
            Arguments = @('=model force_model node key_file timeout max_time retries retry_ambiguous max_retry_time failover proxy cacert header json ndjson quiet verbose usage color cache max_cost tag encoding no_stdin system temperature top_p max_tokens n stop seed presence_penalty frequency_penalty logit_bias user logprobs top_logprobs reasoning_effort verbosity protocol cache_prompt json_mode stream extract save hide_reasoning markdown newline strict_finish tool_choice parallel_tools max_steps no_keep suffix echo best_of batch_size instructions web_search max_output_tokens reasoning_summary text dimensions base64 top threshold jobs size quality style background output_format output_compression aspect_ratio preview language split voice speed duration resolution ratio audio poll on_unknown fsync max_errors')
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'config set' = @{
            Arguments = @('=model force_model node key_file timeout max_time retries retry_ambiguous max_retry_time failover proxy cacert header json ndjson quiet verbose usage color cache max_cost tag encoding no_stdin system temperature top_p max_tokens n stop seed presence_penalty frequency_penalty logit_bias user logprobs top_logprobs reasoning_effort verbosity protocol cache_prompt json_mode stream extract save hide_reasoning markdown newline strict_finish tool_choice parallel_tools max_steps no_keep suffix echo best_of batch_size instructions web_search max_output_tokens reasoning_summary text dimensions base64 top threshold jobs size quality style background output_format output_compression aspect_ratio preview language split voice speed duration resolution ratio audio poll on_unknown fsync max_errors', 'text')
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'config unset' = @{
            Arguments = @('=model force_model node key_file timeout max_time retries retry_ambiguous max_retry_time failover proxy cacert header json ndjson quiet verbose usage color cache max_cost tag encoding no_stdin system temperature top_p max_tokens n stop seed presence_penalty frequency_penalty logit_bias user logprobs top_logprobs reasoning_effort verbosity protocol cache_prompt json_mode stream extract save hide_reasoning markdown newline strict_finish tool_choice parallel_tools max_steps no_keep suffix echo best_of batch_size instructions web_search max_output_tokens reasoning_summary text dimensions base64 top threshold jobs size quality style background output_format output_compression aspect_ratio preview language split voice speed duration resolution ratio audio poll on_unknown fsync max_errors')
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'config path' = @{
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'config edit' = @{
            Options = @(
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'doctor' = @{
            Options = @(
                @{ Names = @('--brief'); Help = 'Say in one line whether a request would work (check).' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'sandbox' = @{
            Options = @(
                @{ Names = @('--port'); Help = 'Port to listen on (0: any free one).'; Rule = 'text' }
                @{ Names = @('--fault'); Help = 'Play this fault on every request, e.g. 503 or cut@3.'; Rule = 'text' }
                @{ Names = @('--samples'); Help = 'Write the files that the examples name into this folder, and exit.'; Rule = 'dir' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'completion' = @{
            Arguments = @('=bash zsh fish powershell')
            Options = @(
                @{ Names = @('--install'); Help = 'Put it where the shell finds it, and say where.' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'mcp' = @{
            Options = @(
                @{ Names = @('--max-cost'); Help = 'Refuse calls that bring the estimated cost of the session above so many US dollars.'; Rule = 'text' }
                @{ Names = @('--folder'); Help = 'Where files are written and relative paths begin (else the working directory).'; Rule = 'dir' }
                @{ Names = @('--profile'); Help = 'Profile of the configuration to use.'; Rule = 'profile' }
                @{ Names = @('--base-url'); Help = 'Address of the API, with its /v1.'; Rule = 'text' }
                @{ Names = @('--node'); Help = 'Node of the gateway: api, vip, b, or cf (short texts only).'; Rule = '=api vip b cf' }
                @{ Names = @('--key-file'); Help = 'File that holds the key (0600).'; Rule = 'file' }
                @{ Names = @('--timeout'); Help = 'Seconds to wait for headers, then between events.'; Rule = 'text' }
                @{ Names = @('--max-time'); Help = 'Seconds for the whole run, everything included.'; Rule = 'text' }
                @{ Names = @('--retries'); Help = 'Attempts after the first one.'; Rule = 'text' }
                @{ Names = @('--retry-ambiguous'); Help = 'Attempts after one that may have been billed (0: never pay twice).'; Rule = 'text' }
                @{ Names = @('--max-retry-time'); Help = 'Seconds that all attempts and waits may take together.'; Rule = 'text' }
                @{ Names = @('--failover'); Help = 'Try the profile''s backup addresses.' }
                @{ Names = @('--no-failover'); Help = 'The opposite of --failover.' }
                @{ Names = @('--rpm'); Help = 'Requests a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--tpm'); Help = 'Tokens a minute, shared by all processes of the key.'; Rule = 'text' }
                @{ Names = @('--limits'); Help = 'Keep to the key''s rate limits.' }
                @{ Names = @('--no-limits'); Help = 'The opposite of --limits.' }
                @{ Names = @('--proxy'); Help = 'Proxy to go through (http, https, socks5, socks5h).'; Rule = 'text' }
                @{ Names = @('--cacert'); Help = 'File of CA certificates to trust.'; Rule = 'file' }
                @{ Names = @('-H', '--header'); Help = 'Extra request header, ''Name: value'' (repeatable).'; Many = $true; Rule = 'text' }
                @{ Names = @('--json'); Help = 'The server''s object, verbatim, on one line.' }
                @{ Names = @('--ndjson'); Help = 'One JSON object per line, as each arrives.' }
                @{ Names = @('--jq'); Help = 'Filter the JSON with a jq expression (extra: apiyi-cli[jq]).'; Rule = 'text' }
                @{ Names = @('-o', '--output'); Help = 'Write to this file instead of stdout.'; Rule = 'file' }
                @{ Names = @('--force'); Help = 'Overwrite what exists.' }
                @{ Names = @('-q', '--quiet'); Help = 'No notices on stderr, errors only.' }
                @{ Names = @('-v', '--verbose'); Help = 'Tell on stderr what is sent and received.' }
                @{ Names = @('-u', '--usage'); Help = 'Token counts on stderr.' }
                @{ Names = @('--color'); Help = 'Colour and styles.'; Rule = '=auto always never' }
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
                @{ Names = @('--help-all'); Help = 'Show the shared options as well, and exit.' }
            )
        }
        'skill' = @{
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'describe' = @{
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
        'help' = @{
            Arguments = @('=exit-codes environment config formatting retries batch proxy moving recipes chat complete respond embed rank image video transcribe speak playground api models balance session usage cache auth doctor sandbox completion mcp skill describe help')
            Options = @(
                @{ Names = @('-h', '--help'); Help = 'Show this help and exit.' }
            )
        }
    }

    $windows = $env:OS -eq 'Windows_NT'
    $configFolder = if ($windows) { "$env:APPDATA/apiyi" }
        elseif ("$env:XDG_CONFIG_HOME".StartsWith('/')) { "$env:XDG_CONFIG_HOME/apiyi" }
        else { "$HOME/.config/apiyi" }
    $cacheFolder = if ($windows) { "$env:LOCALAPPDATA/apiyi/Cache" }
        elseif ("$env:XDG_CACHE_HOME".StartsWith('/')) { "$env:XDG_CACHE_HOME/apiyi" }
        else { "$HOME/.cache/apiyi" }

    # The words before the cursor: the command they name, the option that still wants its
    # value, the options given, how many arguments there were.
    $command = ''
    $taker = $null
    $literal = $false
    $given = @()
    $count = 0
    $profileName = if ($env:APIYI_PROFILE) { $env:APIYI_PROFILE } else { 'default' }
    $before = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
    foreach ($word in $before) {
        $options = @($table[$command].Options)
        if ($null -ne $taker) {
            if ($taker.Rule -eq 'profile') { $profileName = $word }
            $taker = $null
        }
        elseif ($word -ceq '--' -and -not $literal) { $literal = $true }
        elseif ($word -like '--*=*' -and -not $literal) {
            $name, $said = $word -split '=', 2
            $given += $name
            if ($name -ceq '--profile') { $profileName = $said }
        }
        elseif ($word -like '-?*' -and -not $literal) {
            $given += $word
            $taker = $options | Where-Object { $_.Rule -and $_.Names -ccontains $word } |
                Select-Object -First 1
        }
        elseif ($table[$command].Commands -and $table[$command].Commands.Contains($word)) {
            $command = "$command $word".Trim()
        }
        else { $count += 1 }
    }

    function Offer($text, $tip, $kind = 'ParameterValue') {
        if (-not $tip) { $tip = $text }
        [System.Management.Automation.CompletionResult]::new("$lead$text", $text, $kind, $tip)
    }

    function Values($rule, $value) {
        $names = @()
        switch -Wildcard ($rule) {
            'file' {
                [System.Management.Automation.CompletionCompleters]::CompleteFilename($value) |
                    ForEach-Object { Offer $_.CompletionText $_.ToolTip }
            }
            'dir' {
                [System.Management.Automation.CompletionCompleters]::CompleteFilename($value) |
                    Where-Object { $_.ResultType -eq 'ProviderContainer' } |
                    ForEach-Object { Offer $_.CompletionText $_.ToolTip }
            }
            'model*' {
                $file = "$cacheFolder/models/$profileName"
                if ($profileName -notmatch '[/\\]' -and (Test-Path -LiteralPath $file)) {
                    $names += Get-Content -LiteralPath $file |
                        Where-Object { $_ -match '^[A-Za-z0-9._:/@+-]+$' }
                }
            }
            'template' {
                $folder = if ($env:APIYI_CONFIG) { Split-Path -Parent $env:APIYI_CONFIG }
                    else { $configFolder }
                $names += Get-ChildItem -Path "$folder/templates/*.md" -ErrorAction Ignore |
                    ForEach-Object { $_.BaseName } |
                    Where-Object { $_ -match '^[A-Za-z0-9_][A-Za-z0-9._-]*$' }
            }
            'profile' {
                $names += @('default', 'sandbox')
                $file = if ($env:APIYI_CONFIG) { $env:APIYI_CONFIG }
                    else { "$configFolder/config.toml" }
                if (Test-Path -LiteralPath $file) {
                    $header = '^\s*\[\s*profile\s*\.\s*(?:"([A-Za-z0-9._-]+)"|([A-Za-z0-9_-]+))'
                    $names += Get-Content -LiteralPath $file |
                        ForEach-Object { if ($_ -match $header) { "$($Matches[1])$($Matches[2])" } }
                }
            }
        }
        if ($rule -match '=') { $names += ($rule -split '=', 2)[1] -split ' ' }
        $names | Select-Object -Unique |
            Where-Object { $_.StartsWith($value, [StringComparison]::Ordinal) } |
            ForEach-Object { Offer $_ }
    }

    $here = $table[$command]
    $lead = ''
    if ($null -ne $taker) {
        Values $taker.Rule $wordToComplete
    }
    elseif ($wordToComplete -like '--*=*' -and -not $literal) {
        $name, $value = $wordToComplete -split '=', 2
        $lead = "$name="
        $taker = @($here.Options) | Where-Object { $_.Rule -and $_.Names -ccontains $name } |
            Select-Object -First 1
        if ($null -ne $taker) { Values $taker.Rule $value }
    }
    elseif ($wordToComplete -like '-*' -and -not $literal) {
        foreach ($option in $here.Options) {
            if (-not $option.Many -and ($option.Names | Where-Object { $given -ccontains $_ })) {
                continue
            }
            foreach ($name in $option.Names) {
                if ($name.StartsWith($wordToComplete, [StringComparison]::Ordinal)) {
                    Offer $name $option.Help 'ParameterName'
                }
            }
        }
    }
    elseif ($here.Commands) {
        foreach ($one in $here.Commands.GetEnumerator()) {
            if ($one.Key.StartsWith($wordToComplete, [StringComparison]::Ordinal)) {
                Offer $one.Key $one.Value
            }
        }
    }
    elseif ($here.Arguments) {
        $at = [Math]::Min($count, $here.Arguments.Count - 1)
        Values $here.Arguments[$at] $wordToComplete
    }
}
