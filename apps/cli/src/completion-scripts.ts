// Each asks the program that is on the command line, so that ./curfew completes too. The words go to it as they are:
// nothing that was typed is ever evaluated, and only what is plain is offered.

const bash = `# bash completion for curfew
_curfew() {
  local cur words line word
  cur=\${COMP_WORDS[COMP_CWORD]}
  words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  # A word is cut at = and : where those are word breaks; ours have none.
  local program
  program=$(type -P -- "\${COMP_WORDS[0]/#\\~/$HOME}") || return 0
  while IFS=$'\\n' read -r line; do
    word=\${line%%$'\\t'*}
    [[ $word =~ ^[A-Za-z0-9._/-]+$ ]] && COMPREPLY+=("$word")
  done < <("$program" __complete -- "\${words[@]}" 2>/dev/null </dev/null)
  # Nothing of ours: files.
  [[ \${#COMPREPLY[@]} -gt 0 ]] || compopt -o default 2>/dev/null
  return 0
}
complete -F _curfew curfew
`;

const zsh = `#compdef curfew
# zsh completion for curfew
_curfew() {
  local -a found
  local line word about program
  program=\${words[1]/#\\~/$HOME}
  (( $+commands[$program] )) || [[ -x $program ]] || return 1
  while IFS= read -r line; do
    word=\${line%%$'\\t'*}
    about=\${line#*$'\\t'}
    [[ $word =~ '^[A-Za-z0-9._/-]+$' ]] && found+=("\${word//:/\\\\:}:$about")
  done < <("$program" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null </dev/null)
  if (( \${#found} )); then
    _describe curfew found
  else
    _files
  fi
}
if [[ $funcstack[1] == _curfew ]]; then
  _curfew "$@"
else
  compdef _curfew curfew
fi
`;

const fish = `# fish completion for curfew
function __curfew_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    set -l found ($program __complete -- $words[2..-1] 2>/dev/null </dev/null | string match -r '^[A-Za-z0-9._/-]+(?:\\t.*)?$')
    if set -q found[1]
        printf '%s\\n' $found
    else
        # Nothing of ours: files.
        __fish_complete_path (commandline -ct)
    end
end
complete -c curfew -e
complete -c curfew -f -a '(__curfew_complete)'
`;

/** What \`curfew completion\` prints. */
export const SCRIPTS = { bash, zsh, fish } as const;
export type Shell = keyof typeof SCRIPTS;
