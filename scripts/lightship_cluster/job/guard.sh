#!/bin/bash
# Ends a process group when the process that holds the other end of its input is no more.
# Arguments: the group, then a command that ends what the group's end does not, if there is any.
trap '' TERM INT HUP
group=$1
shift
# Nothing is ever written: this returns when the other end is closed.
read -r _
kill -TERM -- "-$group" 2>/dev/null
for _ in {1..50}; do
  kill -0 -- "-$group" 2>/dev/null || break
  sleep 0.2
done
kill -KILL -- "-$group" 2>/dev/null
if [[ $# -gt 0 ]]; then exec "$@"; fi
