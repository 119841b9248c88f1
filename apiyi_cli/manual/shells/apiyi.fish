# fish completion for apiyi
# NOTICE

# TABLES

# Walks over the words before the cursor. Sets, where it is called, the command they name, the
# option that still wants its value, the options given and the number of arguments.
function __apiyi_walk --no-scope-shadowing
    set -l takers __apiyi_takers_
    set -l commands __apiyi_commands_
    set -l word
    for word in (commandline -opc)[2..-1]
        if set -q taker[1]
            test $taker = --profile; and set profile $word
            set -e taker
        else if test "$word" = --; and not set -q literal[1]
            set literal 1
        else if string match -q -- '--*=*' "$word"; and not set -q literal[1]
            string match -q -- '--profile=*' $word; and set profile (string sub -s 11 -- $word)
            set -a given (string replace -r -- '=.*' '' $word)
        else if string match -q -- '-?*' "$word"; and not set -q literal[1]
            set -a given $word
            contains -- $word $$takers; and set taker $word
        else if contains -- "$word" $$commands
            set -a command $word
            set table (string join _ -- $command)
            set takers __apiyi_takers_$table
            set commands __apiyi_commands_$table
        else
            set count (math $count + 1)
        end
    end
end

function __apiyi_rule --no-scope-shadowing
    __apiyi_walk
    set -l commands __apiyi_commands_$table
    set current (commandline -ct)
    if set -q taker[1]
        __apiyi_value_rule "$command" $taker
    else if string match -q -- '--*=*' "$current"; and not set -q literal[1]
        set lead (string replace -r -- '=.*' '=' $current)
        __apiyi_value_rule "$command" (string trim -r -c = -- $lead)
    else if string match -q -- '-*' "$current"; and not set -q literal[1]
        set rule options
    else if test -n "$$commands"
        set rule commands
    else
        __apiyi_argument_rule "$command" $count
    end
end

# Fish completes files itself, because it alone keeps ~ and $HOME as they were typed.
function __apiyi_wants_file
    string match -qr -- '^-[^=]*$' (commandline -ct); and return 1
    set -l command; set -l table ''; set -l taker; set -l given; set -l count 0
    set -l literal; set -l profile; set -l current; set -l lead ''; set -l rule
    __apiyi_rule
    test "$rule" = file
end

function __apiyi_complete
    set -l command; set -l table ''; set -l taker; set -l given; set -l count 0
    set -l literal; set -l profile; set -l current; set -l lead ''; set -l rule
    __apiyi_rule
    set -l found
    switch "$rule"
        case commands
            set -l lines __apiyi_described_$table
            set found $$lines
        case options
            set -l lines __apiyi_options_$table
            set -l rivals __apiyi_rivals_$table
            set found $$lines
            for option in $given
                for group in (string match -r -- "^(?:.*\|)?$option(?:\|.*)?\$" $$rivals)
                    set found (string match -vr -- "^(?:$group)\t" $found)
                end
            end
        case dir
            set found (__fish_complete_directories (string replace -- "$lead" '' $current) '')
        case at
            string match -q -- '@*' $current
            and set found @(complete -C "'' "(string sub -s 2 -- $current))
        case 'model*'
            set found (string split -n ' ' -- (string sub -s 7 -- $rule)) (__apiyi_models $profile)
        case profile
            set found (__apiyi_profiles)
        case template
            set found (__apiyi_templates)
        case '=*'
            set found (string split ' ' -- (string sub -s 2 -- $rule))
    end
    set -q found[1]; and printf '%s\n' $lead$found
end

function __apiyi_models
    set -l cache ~/.cache
    string match -q -- '/*' "$XDG_CACHE_HOME"; and set cache $XDG_CACHE_HOME
    set -l profile $argv $APIYI_PROFILE default
    string match -q -- '*/*' $profile[1]; and return
    set -l file $cache/apiyi/models/$profile[1]
    test -r $file; and string match -r -- '^[A-Za-z0-9._:/@+-]+$' <$file
end

function __apiyi_profiles
    printf '%s\n' default sandbox
    set -l file ~/.config
    string match -q -- '/*' "$XDG_CONFIG_HOME"; and set file $XDG_CONFIG_HOME
    set file $file/apiyi/config.toml
    test -n "$APIYI_CONFIG"; and set file $APIYI_CONFIG
    test -r $file; or return
    set -l header '^\s*\[\s*profile\s*\.\s*(?:"([A-Za-z0-9._-]+)"|([A-Za-z0-9_-]+)).*'
    string replace -rf -- $header '$1$2' <$file
end

function __apiyi_templates
    set -l file ~/.config
    string match -q -- '/*' "$XDG_CONFIG_HOME"; and set file $XDG_CONFIG_HOME
    set file $file/apiyi/config.toml
    test -n "$APIYI_CONFIG"; and set file $APIYI_CONFIG
    set -l found (dirname -- $file)/templates/*.md
    string replace -rf -- '^.*/([A-Za-z0-9_][A-Za-z0-9._-]*)\.md$' '$1' $found
end

complete -c apiyi -f -a '(__apiyi_complete)'
complete -c apiyi -n __apiyi_wants_file -F
