#!/bin/sh
# tutorial.sh LANGUAGE CONTRACT COMPONENT: builds the example in LANGUAGE, python or javascript, that docs/write-a-backend.md
# shows, as it says, against the text in the file CONTRACT. `sh setup.sh languages` installs the tools; nothing is fetched here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
page=$here/../../../docs/write-a-backend.md
language=$1 contract=$2 component=$3

# block KIND: the block of this kind in the part about other languages.
block() {
    awk -v begin="\`\`\`$1" '/^## Other languages/ { part = 1 } part && $0 == "```" { on = 0 } on { print } part && $0 == begin { on = 1 }' "$page"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/wit/deps/berth"
cp "$contract" "$work/wit/deps/berth/backend.wit"
# It only shows sessions, so the last export is left out.
block wit | grep -v session-control >"$work/wit/mine.wit"

cd "$work"
case $language in
python)
    block python >app.py
    tools=$here/python/.venv
    VIRTUAL_ENV=$tools "$tools/bin/componentize-py" --quiet -d wit -w mine componentize app -o mine.wasm
    ;;
javascript)
    block js >app.js
    "$here/javascript/node_modules/.bin/componentize-qjs" --wit wit --world mine --js app.js --sync -o mine.wasm >log ||
        { cat log >&2; exit 1; }
    ;;
esac
cd "$OLDPWD"
mkdir -p "$(dirname "$component")"
mv "$work/mine.wasm" "$component"
