#!/usr/bin/env python3
"""Writes the completion of `start-jupyter` for bash, from the table of options."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from build_zipapps import SCRIPTS, write_texts

sys.path.insert(0, str(SCRIPTS))

from lightship_cluster.config.options import (
    COMMANDS,
    ENVIRONMENTS,
    FILES,
    FOLDERS,
    MODULES,
    OPTIONS,
    PARTITIONS,
    PRESETS,
    Command,
    Option,
)
from lightship_cluster.config.options import SCRIPTS as BATCH_SCRIPTS
from lightship_cluster.environments.conda import USUAL_ROOTS

NAME = "start-jupyter.bash"
GENERAL = ("-h", "--help")
# The commands that also take links that have ended.
OF_ALL_LINKS = ("logs", "again")

SCRIPT = """\
# Completion of start-jupyter for bash; in zsh, first: autoload -U compinit bashcompinit && compinit && bashcompinit
# Written by scripts/dev/write_completion.py from the table of options.

# The names of your links; those that are alive have a secret.
_start_jupyter_links() {{
  local folder name
  for folder in ~/.local/state/lightship/*-*-*/; do
    name=${{folder%/}} name=${{name##*/}}
    if [[ $name != *[!a-z-]* && ($1 == all || -e ${{folder}}secret) ]]; then printf '%s\\n' "$name"; fi
  done
}}

# Where the command, its batch scripts and the site's settings are.
_start_jupyter_prefix() {{
  local program
  # bash's way to look at PATH alone, then that of zsh.
  program=$(type -P start-jupyter 2>/dev/null || whence -p start-jupyter) || return
  program=$(readlink -f -- "$program") && printf '%s\\n' "${{program%/bin/*}}"
}}

_start_jupyter_presets() {{
  local etc
  etc=$(_start_jupyter_prefix)/etc
  sed -n 's/^\\[preset  *\\([A-Za-z0-9._-]*\\) *\\].*/\\1/p' "$etc"/lightship.ini "$etc"/clusters/*.ini \\
    "${{XDG_CONFIG_HOME:-$HOME/.config}}/lightship/lightship.ini" 2>/dev/null
}}

_start_jupyter_scripts() {{
  (cd -- "$(_start_jupyter_prefix)/batch" 2>/dev/null && printf '%s\\n' */*.sh)
}}

# One plain word a line: what else a name might hold would be typed into a command line.
_start_jupyter_plain() {{
  LC_ALL=C grep -x '[A-Za-z0-9][A-Za-z0-9._+/@-]*' | LC_ALL=C sort -u
}}

# Nothing that is asked may keep a user waiting at the Tab key.
_start_jupyter_soon() {{
  timeout -k 1 2 "$@" </dev/null 2>/dev/null
}}

_start_jupyter_asked_partitions() {{
  if command -v sinfo >/dev/null; then
    _start_jupyter_soon sinfo --noheader --format=%R
  elif command -v qstat >/dev/null; then
    _start_jupyter_soon qstat -Q -f | sed -n 's/^Queue: *//p'
  fi | _start_jupyter_plain
}}

# Asked once in ten minutes; once a minute while there is no answer.
_start_jupyter_partitions() {{
  local folder=${{XDG_CACHE_HOME:-$HOME/.cache}}/lightship file
  file=$folder/partitions.$(uname -n)
  if [[ ! -O $file || -z $(find "$file" \\( -mmin -1 -o -size +0 -mmin -10 \\) 2>/dev/null) ]]; then
    # A cache in a shared place may be another's, who would follow what is written there with a link.
    if ! (umask 077 && mkdir -p "$folder" && [[ -O $folder ]] && : >|"$file.$$") 2>/dev/null; then
      _start_jupyter_asked_partitions
      return
    fi
    _start_jupyter_asked_partitions >|"$file.$$"
    mv -f "$file.$$" "$file"
  fi
  _start_jupyter_plain <"$file"
}}

# By their files, as Lmod and the Tcl modules find them.
_start_jupyter_modules() {{
  local IFS=: folders
  # shellcheck disable=SC2206 # to be split
  folders=(${{MODULEPATH-}})
  [[ ${{#folders[@]}} -gt 0 ]] || return 0
  _start_jupyter_soon find -L "${{folders[@]}}" -mindepth 1 -maxdepth 4 -name '.*' -prune -o -type f -printf '%P\\n' |
    sed 's/\\.lua$//' | _start_jupyter_plain
}}

# Where conda, mamba and micromamba keep environments, and the list of all that conda ever made.
_start_jupyter_environments() {{
  local IFS=: folders root conda=${{CONDA_EXE-}} mamba=${{MAMBA_EXE-}}
  # shellcheck disable=SC2206 # to be split
  folders=(${{CONDA_ENVS_PATH-}} ${{CONDA_ENVS_DIRS-}})
  for root in "${{MAMBA_ROOT_PREFIX-}}" "${{CONDA_ROOT-}}" "${{conda%/*/*}}" "${{mamba%/*/*}}" \\
    {roots}; do
    if [[ -n $root ]]; then folders+=("$root/envs"); fi
  done
  {{
    _start_jupyter_soon find -L "${{folders[@]}}" -mindepth 2 -maxdepth 2 -name conda-meta -printf '%h\\n'
    _start_jupyter_soon cat ~/.conda/environments.txt
  }} | sed 's|.*/||' | _start_jupyter_plain
}}

_start_jupyter() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words='' index
  COMPREPLY=()
  # bash takes "--interface=lab" for three words.
  if [[ $word == '=' ]]; then
    word=''
  elif [[ $before == '=' ]]; then
    before=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    # What follows is the scheduler's.
    if [[ ${{COMP_WORDS[index]}} == '--' ]]; then return; fi
  done
  case $command in
{commands}
    *)
      case $before in
{values}
        *) words='{flags}' ;;
      esac
      if [[ $COMP_CWORD == 1 && $word != -* ]]; then words='{names}'; fi
      ;;
  esac
  # Not by compgen -W, which would run what a name might hold.
  for index in $words; do
    if [[ $index == "$word"* ]]; then COMPREPLY+=("$index"); fi
  done
}}

# zsh knows no compopt: there files are offered wherever nothing else is.
if [[ -n ${{ZSH_VERSION-}} ]]; then
  complete -o default -F _start_jupyter start-jupyter
else
  complete -F _start_jupyter start-jupyter
fi
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the completion."""
    return write_texts(argv, NAME, lambda: {NAME: content()})


def content() -> str:
    """The whole file."""
    flags = [flag for option in OPTIONS for flag in option.flags]
    return SCRIPT.format(
        commands="\n".join(map(_command, COMMANDS.values())),
        values="\n".join(_value(option) for option in OPTIONS if option.metavar and option.flags != ("--",)),
        flags=" ".join([*flags, *GENERAL, "--version"]),
        names=" ".join(COMMANDS),
        roots=" ".join(f"~/{folder}" for folder in USUAL_ROOTS),
    )


def _command(command: Command) -> str:
    flags = " ".join([*(flag for option in command.options for flag in option.flags), *GENERAL])
    names = (
        f" $(_start_jupyter_links {'all' if command.name in OF_ALL_LINKS else 'alive'})" if command.takes_name else ""
    )
    values = [_value(option) for option in command.options if option.metavar]
    if not values:
        return f'    {command.name}) words="{flags}{names}" ;;'
    return "\n".join(
        [
            f"    {command.name})",
            "      case $before in",
            *values,
            f'        *) words="{flags}{names}" ;;',
            "      esac",
            "      ;;",
        ]
    )


def _value(option: Option) -> str:
    action = {
        FOLDERS: "compopt -o dirnames 2>/dev/null",
        FILES: "compopt -o default 2>/dev/null",
        BATCH_SCRIPTS: "words=$(_start_jupyter_scripts); compopt -o default 2>/dev/null",
        PARTITIONS: "words=$(_start_jupyter_partitions)",
        MODULES: "words=$(_start_jupyter_modules)",
        ENVIRONMENTS: "words=$(_start_jupyter_environments); compopt -o default 2>/dev/null",
        PRESETS: "words=$(_start_jupyter_presets)",
    }.get(option.offers, f"words='{' '.join(option.choices)}'")
    return f"        {' | '.join(option.flags)}) {action} ;;"


if __name__ == "__main__":
    sys.exit(main())
