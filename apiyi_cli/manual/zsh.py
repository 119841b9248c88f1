"""The completion script for zsh: `_arguments` specifications, one function for each command."""

from __future__ import annotations

from apiyi_cli.manual.completion import BUILT_IN_PROFILES, MADE, negation
from apiyi_cli.manual.describe import Argument, Command, Option, Rule

_BEGIN = f"""\
#compdef apiyi
# {MADE}

"""

_MACHINERY = r"""
(( $+functions[__apiyi_models] )) ||
__apiyi_models() {
  local cache=$HOME/.cache profile=${APIYI_PROFILE:-default}
  profile=${opt_args[--profile]:-${_apiyi_profile:-$profile}}
  [[ $XDG_CACHE_HOME == /* ]] && cache=$XDG_CACHE_HOME
  local file=$cache/apiyi/models/$profile
  local -a found
  [[ $profile != */* && -r $file ]] && found=( ${${(f)"$(<$file)"}:#*[^A-Za-z0-9._:/@+-]*} )
  _wanted models expl 'model' compadd -a - found
}

(( $+functions[__apiyi_profiles] )) ||
__apiyi_profiles() {
  local config=$HOME/.config line
  local -aU found
  local -a match mbegin mend
  local header='^[[:space:]]*\[[[:space:]]*profile[[:space:]]*\.[[:space:]]*'
  header+='("([A-Za-z0-9._-]+)"|([A-Za-z0-9_-]+))'
  found=( BUILT_IN )
  [[ $XDG_CONFIG_HOME == /* ]] && config=$XDG_CONFIG_HOME
  config=${APIYI_CONFIG:-$config/apiyi/config.toml}
  if [[ -r $config ]]; then
    for line in ${(f)"$(<$config)"}; do
      [[ $line =~ $header ]] && found+=( $match[2]$match[3] )
    done
  fi
  _wanted profiles expl 'profile' compadd -a - found
}

(( $+functions[__apiyi_text] )) ||
__apiyi_text() {
  if compset -P @; then _files; else _message -r 'text, or @FILE'; fi
}

(( $+functions[__apiyi_files] )) ||
__apiyi_files() {
  compset -P @
  _files
}

if [[ $funcstack[1] == _apiyi ]]; then
  _apiyi "$@"
else
  compdef _apiyi apiyi
fi
"""


def zsh(program: Command) -> str:
    """Return the script."""
    functions = [_function(command) for command in program.walk()]
    machinery = _MACHINERY.replace("BUILT_IN", " ".join(BUILT_IN_PROFILES))
    return _BEGIN + "\n".join(functions) + machinery


def _function(command: Command) -> str:
    name = "_".join(("_apiyi", *command.path[1:]))
    specs = [spec for option in command.options for spec in _option(option)]
    if command.commands:
        specs += ["'(-): :->command'", "'(-)*:: :->rest'"]
        return _group(command, name, specs)
    specs += [_argument(one) for one in command.arguments]
    return f"{name}() {{\n  _arguments -s -S : \\\n{_listed(specs)}\n}}\n"


def _listed(specs: list[str]) -> str:
    return " \\\n".join(f"    {spec}" for spec in specs)


def _group(command: Command, name: str, specs: list[str]) -> str:
    said = [f"    {_quoted(f'{one.name}:{one.line}')}" for one in command.commands]
    cases = [
        f"        ({one.name}) {'_'.join((name, one.name))} && ret=0 ;;" for one in command.commands
    ]
    known = "    _apiyi_profile=$opt_args[--profile]\n" if command.path == ("apiyi",) else ""
    outer = "  local _apiyi_profile\n" if command.path == ("apiyi",) else ""
    return (
        f"{name}() {{\n"
        "  local curcontext=$curcontext state line ret=1\n"
        f"{outer}"
        "  local -A opt_args\n"
        "  local -a commands\n"
        "  _arguments -s -S -C : \\\n"
        f"{_listed(specs)} && ret=0\n"
        "  case $state in\n"
        "  (command)\n"
        "    commands=(\n" + "\n".join("  " + one for one in said) + "\n    )\n"
        f"    _describe -t commands '{command.title} command' commands && ret=0\n"
        "    ;;\n"
        "  (rest)\n"
        f"{known}"
        f"    curcontext=${{curcontext%:*}}-$words[1]:\n"
        "    case $words[1] in\n" + "\n".join(cases) + "\n    esac\n"
        "    ;;\n"
        "  esac\n"
        "  return ret\n"
        "}\n"
    )


def _option(option: Option) -> list[str]:
    """Return the specifications of one option: yes and no, where it has both."""
    rivals = "" if option.many else f"({' '.join(option.spellings)})"
    value = "" if option.metavar is None else f":{_label(option.metavar)}:{_action(option.rule)}"
    found = [_spec(option, option.names, rivals, option.help, value)]
    if option.off:
        found.append(_spec(option, option.off, rivals, negation(option), ""))
    return found


def _spec(option: Option, names: tuple[str, ...], rivals: str, help: str, value: str) -> str:
    begin = "*" if option.many else rivals
    typed = [_typed(name, option) for name in names]
    said = f"[{_label(help)}]{value}"
    if len(typed) == 1:
        return _quoted(f"{begin}{typed[0]}{said}")
    return f"{_quoted(begin)}{{{','.join(typed)}}}{_quoted(said)}"


def _typed(name: str, option: Option) -> str:
    """Return a spelling with how its value may follow: `-mX`, `--model=X`."""
    if option.metavar is None:
        return name
    return f"{name}=" if name.startswith("--") else f"{name}+"


def _argument(argument: Argument) -> str:
    begin = "*" if argument.many else ""
    optional = "" if argument.many or argument.required else ":"
    # A message for free text would keep zsh from inserting the option that is being typed.
    action = _action(argument.rule) if argument.rule.kind != "text" else "_guard '^-*' text"
    return _quoted(f"{begin}:{optional}{_label(argument.name)}:{action}")


def _action(rule: Rule) -> str:
    match rule.kind:
        case "choice" | "name":
            return f"({' '.join(rule.choices)})"
        case "file":
            return "__apiyi_files"
        case "dir":
            return "_directories"
        case "profile":
            return "__apiyi_profiles"
        case "model" if rule.choices:
            words = " ".join(rule.choices)
            return f"{{__apiyi_models; _wanted words expl word compadd - {words}}}"
        case "model":
            return "__apiyi_models"
        case "at":
            return "__apiyi_text"
        case _:
            return " "


def _label(text: str) -> str:
    """Return text for use between the brackets and colons of a specification."""
    for one in "\\[]:":
        text = text.replace(one, f"\\{one}")
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
