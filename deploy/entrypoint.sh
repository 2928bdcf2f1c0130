#!/bin/sh
# Which process this container is; what follows the word is its own.
set -eu

# A core file would hold keys and passwords in the clear.
ulimit -c 0

case ${1-} in
  api | worker | timekeeper | migrate | cli) app=$1 ;;
  *)
    printf 'usage: api | worker | timekeeper | migrate | cli <command>\n' >&2
    exit 2
    ;;
esac
shift
exec node --import ./scripts/source-maps.mjs "dist/apps/$app/main.js" "$@"
