#!/bin/sh
# build.sh LANGUAGE CONTRACT COMPONENT: builds the test plugin in LANGUAGE, python or javascript, against the text in the
# file CONTRACT. `sh setup.sh languages` installs the tools; nothing is fetched here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
language=$1 contract=$2 component=$3

# The tools read a world and what it includes from one folder. Only what belongs to the plugin is in it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/wit/deps/backend"
cp "$here/$language/notes.wit" "$work/wit"
cp "$contract" "$work/wit/deps/backend/backend.wit"
cp "$here/$language"/backend.* "$work"

case $language in
python)
    tools=$here/python/.venv
    VIRTUAL_ENV=$tools "$tools/bin/componentize-py" --quiet --wit-path "$work/wit" --world me:notes/notes \
        componentize --python-path "$work" --output "$work/component.wasm" backend
    ;;
javascript)
    # Without --sync it would need what WebAssembly components do not have by default.
    "$here/javascript/node_modules/.bin/componentize-qjs" --sync --opt-size --wit "$work/wit" --world notes \
        --js "$work/backend.js" --output "$work/component.wasm" >"$work/log" || { cat "$work/log" >&2; exit 1; }
    ;;
esac
mkdir -p "$(dirname "$component")"
mv "$work/component.wasm" "$component"
