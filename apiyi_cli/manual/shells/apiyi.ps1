# PowerShell completion for apiyi
# NOTICE

Register-ArgumentCompleter -Native -CommandName apiyi -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

# TABLES

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
