#compdef apiyi
# NOTICE

# TABLES

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
  found=( default sandbox )
  [[ $XDG_CONFIG_HOME == /* ]] && config=$XDG_CONFIG_HOME
  config=${APIYI_CONFIG:-$config/apiyi/config.toml}
  if [[ -r $config ]]; then
    for line in ${(f)"$(<$config)"}; do
      [[ $line =~ $header ]] && found+=( $match[2]$match[3] )
    done
  fi
  _wanted profiles expl 'profile' compadd -a - found
}

(( $+functions[__apiyi_templates] )) ||
__apiyi_templates() {
  local config=$HOME/.config
  local -a found
  [[ $XDG_CONFIG_HOME == /* ]] && config=$XDG_CONFIG_HOME
  config=${APIYI_CONFIG:-$config/apiyi/config.toml}
  found=( ${config:h}/templates/[A-Za-z0-9_]*.md(N:t:r) )
  found=( ${found:#*[^A-Za-z0-9._-]*} )
  _wanted templates expl 'template' compadd -a - found
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
