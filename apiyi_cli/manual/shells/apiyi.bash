# bash completion for apiyi
# NOTICE

# TABLES

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
