#!/bin/sh
# freeze.sh NAME: keeps the contract as it is now in the folder NAME beside this file, with a plugin in Rust and one in
# JavaScript that were built for it. `SHA256SUMS` has the digest of each file, and a test holds all files to it. A
# candidate is called rc-N; a release is called by its version, and never changes.
set -eu
name=${1:?a name is missing, such as rc-1}
cd "$(dirname "$0")/../.."
contract=plugins/sdk/wit/backend.wit released=wit/released folder=wit/released/$name
if [ -e "$folder" ]; then
    printf '%s is there already, and what is frozen does not change\n' "$folder" >&2
    exit 1
fi

cargo build --locked --quiet --profile plugin --target wasm32-wasip2 --target-dir target/frozen --package berth-guest-noop
sh host/tests/guests/build.sh javascript "$contract" target/frozen/javascript.wasm

mkdir "$folder"
cp "$contract" "$folder"
cp target/frozen/wasm32-wasip2/plugin/berth_guest_noop.wasm "$folder/rust.wasm"
cp target/frozen/javascript.wasm "$folder/javascript.wasm"

sum=sha256sum
command -v sha256sum >/dev/null || sum='shasum -a 256'
(cd "$released" && $sum "$name"/* >>SHA256SUMS)
