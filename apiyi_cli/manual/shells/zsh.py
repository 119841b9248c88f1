"""The functions of the completion script for zsh: `_arguments` specifications."""

from __future__ import annotations

from apiyi_cli.manual.describe import Argument, Command, Option, ValueRule
from apiyi_cli.manual.shells.rules import negation_help


def tables(program: Command) -> str:
    """Return one function for each command."""
    return "\n".join(_function(command) for command in program.walk())


def _function(command: Command) -> str:
    name = "_".join(("_apiyi", *command.path[1:]))
    specs = [spec for option in command.options for spec in _option(option)]
    if command.commands:
        specs += ["'(-): :->command'", "'(-)*:: :->rest'"]
        return _group(command, name, specs)
    specs += [_argument(argument) for argument in command.arguments]
    return f"{name}() {{\n  _arguments -s -S : \\\n{_lines(specs)}\n}}\n"


def _lines(specs: list[str]) -> str:
    return " \\\n".join(f"    {spec}" for spec in specs)


def _group(command: Command, name: str, specs: list[str]) -> str:
    described = [f"      {_quote(f'{child.name}:{child.line}')}" for child in command.commands]
    cases = [
        f"        ({child.name}) {name}_{child.name} && ret=0 ;;" for child in command.commands
    ]
    is_root = command.path == ("apiyi",)
    declare_profile = "  local _apiyi_profile\n" if is_root else ""
    set_profile = "    _apiyi_profile=$opt_args[--profile]\n" if is_root else ""
    return (
        f"{name}() {{\n"
        "  local curcontext=$curcontext state line ret=1\n"
        f"{declare_profile}"
        "  local -A opt_args\n"
        "  local -a commands\n"
        "  _arguments -s -S -C : \\\n"
        f"{_lines(specs)} && ret=0\n"
        "  case $state in\n"
        "  (command)\n"
        "    commands=(\n" + "\n".join(described) + "\n    )\n"
        f"    _describe -t commands '{command.title} command' commands && ret=0\n"
        "    ;;\n"
        "  (rest)\n"
        f"{set_profile}"
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
    value = "" if option.metavar is None else f":{_escape(option.metavar)}:{_action(option.rule)}"
    specs = [_spec(option, option.names, rivals, option.help, value)]
    if option.off:
        specs.append(_spec(option, option.off, rivals, negation_help(option), ""))
    return specs


def _spec(option: Option, names: tuple[str, ...], rivals: str, help: str, value: str) -> str:
    begin = "*" if option.many else rivals
    patterns = [_pattern(name, option) for name in names]
    description = f"[{_escape(help)}]{value}"
    if len(patterns) == 1:
        return _quote(f"{begin}{patterns[0]}{description}")
    return f"{_quote(begin)}{{{','.join(patterns)}}}{_quote(description)}"


def _pattern(name: str, option: Option) -> str:
    """Return a spelling with how its value may follow: `-mX`, `--model=X`."""
    if option.metavar is None:
        return name
    return f"{name}=" if name.startswith("--") else f"{name}+"


def _argument(argument: Argument) -> str:
    begin = "*" if argument.many else ""
    optional = "" if argument.many or argument.required else ":"
    # A message for free text would keep zsh from inserting the option that is being typed.
    action = _action(argument.rule) if argument.rule.kind != "text" else "_guard '^-*' text"
    return _quote(f"{begin}:{optional}{_escape(argument.name)}:{action}")


def _action(rule: ValueRule) -> str:
    match rule.kind:
        case "choice" | "name":
            return f"({' '.join(rule.choices)})"
        case "file":
            return "__apiyi_files"
        case "dir":
            return "_directories"
        case "profile":
            return "__apiyi_profiles"
        case "template":
            return "__apiyi_templates"
        case "model" if rule.choices:
            words = " ".join(rule.choices)
            return f"{{__apiyi_models; _wanted words expl word compadd - {words}}}"
        case "model":
            return "__apiyi_models"
        case "at":
            return "__apiyi_text"
        case _:
            return " "


def _escape(text: str) -> str:
    """Return text for use between the brackets and colons of a specification."""
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
