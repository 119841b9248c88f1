"""The completion script for fish."""

from __future__ import annotations

from apiyi_cli.manual.completion import BUILT_IN_PROFILES, MADE, below, negation, taking
from apiyi_cli.manual.describe import Command, Option, Rule

_BEGIN = f"""\
# fish completion for apiyi
# {MADE}
"""

_MACHINERY = r"""
# True when the words before the cursor have reached this command.
function __apiyi_at
    set -l reached
    set -l skip
    for word in (commandline -opc)[2..-1]
        if set -q skip[1]
            set -e skip
        else if contains -- $word TAKERS
            set skip 1
        else if not string match -q -- '-*' $word
            set -a reached $word
            contains -- "$reached" GROUPS; or break
        end
    end
    test "$reached" = "$argv"
end

# True when the command has been reached and has as many arguments before the cursor.
function __apiyi_argument --argument-names command number
    set -l words (commandline -opc)[2..-1]
    __apiyi_at $command; or return
    set -l before (count (string split ' ' -- $command))
    test (math (count (string match -v -- '-*' $words)) - $before) -eq $number
end

function __apiyi_profile
    set -l words (commandline -opc)
    for at in (seq 2 (count $words))
        switch $words[$at]
            case '--profile=*'
                string replace -- --profile= '' $words[$at]
                return
            case --profile
                test $at -lt (count $words); and echo $words[(math $at + 1)]
                return
        end
    end
    test -n "$APIYI_PROFILE"; and echo $APIYI_PROFILE; or echo default
end

function __apiyi_models
    set -l cache ~/.cache
    string match -q -- '/*' "$XDG_CACHE_HOME"; and set cache $XDG_CACHE_HOME
    set -l profile (__apiyi_profile)
    string match -q -- '*/*' $profile; and return
    set -l file $cache/apiyi/models/$profile
    test -r $file; and string match -r -- '^[A-Za-z0-9._:/@+-]+$' <$file
end

function __apiyi_profiles
    printf '%s\n' BUILT_IN
    set -l file ~/.config
    string match -q -- '/*' "$XDG_CONFIG_HOME"; and set file $XDG_CONFIG_HOME
    set file $file/apiyi/config.toml
    test -n "$APIYI_CONFIG"; and set file $APIYI_CONFIG
    test -r $file; or return
    string replace -rf -- '^\s*\[\s*profile\s*\.\s*"?([A-Za-z0-9_-]+).*' '$1' <$file
end

function __apiyi_text
    set -l word (commandline -ct)
    string match -q -- '@*' $word; or return
    for path in (complete -C "'' "(string sub -s 2 -- $word))
        echo @$path
    end
end

complete -c apiyi -f
"""


def fish(program: Command) -> str:
    """Return the script."""
    groups = [below(one) for one in program.walk() if one.commands and one is not program]
    machinery = (
        _MACHINERY.replace("TAKERS", " ".join(taking(program)))
        .replace("GROUPS", " ".join(_quoted(one) for one in groups))
        .replace("BUILT_IN", " ".join(BUILT_IN_PROFILES))
    )
    lines = [line for command in program.walk() for line in _lines(command)]
    return _BEGIN + machinery + "\n".join(lines) + "\n"


def _lines(command: Command) -> list[str]:
    here = _quoted(f"__apiyi_at {below(command)}".rstrip())
    begin = f"complete -c apiyi -n {here}"
    lines = [f"{begin} -a {one.name} -d {_quoted(one.line)}" for one in command.commands]
    for at, argument in enumerate(command.arguments):
        where = begin
        if not argument.many and len(command.arguments) > 1:
            where = f"complete -c apiyi -n {_quoted(f'__apiyi_argument {_inner(command)} {at}')}"
        if offered := _offered(argument.rule, argument=True):
            lines.append(f"{where} {offered}")
    for option in command.options:
        lines += [f"{begin} {one}" for one in _option(option)]
    return lines


def _inner(command: Command) -> str:
    return f'"{below(command)}"'


def _option(option: Option) -> list[str]:
    value = "" if option.metavar is None else f" {_offered(option.rule) or '-x'}"
    found = [f"{_spelled(option.names)} -d {_quoted(option.help)}{value}"]
    if option.off:
        found.append(f"{_spelled(option.off)} -d {_quoted(negation(option))}")
    return found


def _spelled(names: tuple[str, ...]) -> str:
    return " ".join(f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in names)


def _offered(rule: Rule, *, argument: bool = False) -> str:
    """Return the flags of `complete` that offer what fits; "" where anything may stand."""
    x = "" if argument else "-x "
    match rule.kind:
        case "choice" | "name":
            return f"{x}-a {_quoted(' '.join(rule.choices))}"
        case "file":
            return "-F" if argument else "-r -F"
        case "dir":
            return f"{x}-a '(__fish_complete_directories)'"
        case "profile":
            return f"{x}-a '(__apiyi_profiles)'"
        case "model":
            return f"{x}-a {_quoted(' '.join([*rule.choices, '(__apiyi_models)']))}"
        case "at":
            return f"{x}-a '(__apiyi_text)'"
        case _:
            return ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
