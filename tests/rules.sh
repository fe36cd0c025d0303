#!/bin/sh
# The invariants of ARCHITECTURE.md that a compiler cannot hold: who may name what.
set -eu
cd "$(dirname "$0")/.."
failed=0

# only WORDS MESSAGE FILES...: WORDS may stand in the host's sources only in FILES.
only() {
    words=$1 message=$2
    shift 2
    found=$(grep -rlE "$words" host/src || true)
    for file in $found; do
        allowed=no
        for place in "$@"; do
            case $file in "$place"*) allowed=yes ;; esac
        done
        if [ $allowed = no ]; then
            printf '%s: %s\n' "$file" "$message" >&2
            failed=1
        fi
    done
}

only '\brmcp::' 'only mcp/ names rmcp' host/src/mcp/
only '\bwasmtime(_wasi)?::' 'only contract.rs, plugin/ and capability/ name wasmtime' \
    host/src/contract.rs host/src/plugin/ host/src/capability/
only '\bwit_parser::' 'only the check at load reads WIT' host/src/plugin/fits
only '\brusqlite::' 'only store/ names SQLite' host/src/store/
only '\breqwest::' 'only the fetch of documents and the doctor use an HTTP client' \
    host/src/http/oauth/cimd/ host/src/cli/doctor/ host/src/http/tls/tests.rs
only 'unsafe( \{|_code, )' 'unsafe stands only where a program is started, where macOS tells of sockets, and where compiled code is mapped' \
    host/src/machine/child.rs host/src/peer/macos.rs host/src/plugin/compiled.rs

# What is written is read without a look at the machine; whatever is named there is found by assemble/.
looked=$(grep -rnE '\bstd::(env|fs|process)\b|\b(rustix|etcetera)::|\.(canonicalize|metadata|symlink_metadata|exists|is_file|is_dir)\(' \
    host/src/config host/src/config.rs || true)
if [ -n "$looked" ]; then
    printf 'config/ must not ask disk or environment:\n%s\n' "$looked" >&2
    failed=1
fi

# The host knows no program and no agent; config names them.
named=$(grep -rnwE 'tmux|codex|gemini|opencode' host/src --include='*.rs' \
    | grep -vE ':[0-9]+: *//' \
    | grep -vE '^host/src/(store/tests|plugin/bundled\.rs|config/([a-z]*/)?tests|assemble/([a-z]*/)?tests|capability/process/grant/tests)' || true)
if [ -n "$named" ]; then
    printf 'the host must not name a program or an agent:\n%s\n' "$named" >&2
    failed=1
fi

# Whoever prints an error with its causes would say this one twice. A cause that is part of the text is called `cause`.
twice=$(grep -rnE '#\[error\(.*\{source\b|^ *"[^"]*\{source\b' host/src demo-agent plugins --include='*.rs' || true)
if [ -n "$twice" ]; then
    printf 'the text of an error must not hold its source:\n%s\n' "$twice" >&2
    failed=1
fi

# What a person reads is plain English; CONTRIBUTING.md has the page on style.
prose="host/src plugins/agents/src plugins/sdk/src plugins/headless/src plugins/panes/src plugins/ssh/src plugins/tmux/src demo-agent/src docs README.md ARCHITECTURE.md config.toml"

# plain WORDS EXCEPTION INSTEAD: no line of what a person reads has WORDS, unless it matches EXCEPTION as well.
plain() {
    # shellcheck disable=SC2086 # the list of folders is meant to be split
    found=$(grep -rnE "$1" $prose | grep -vE "$2" || true)
    if [ -n "$found" ]; then
        printf 'write %s:\n%s\n' "$3" "$found" >&2
        failed=1
    fi
}

never='^$'
plain '\b[Aa]new\b' "$never" '"again" or "new" instead of "anew"'
plain '\b[Mm]end(s|ed|ing)?\b' "$never" '"fix" instead of "mend"'
plain '(\b|_)[Hh]eed(s|ed|ing)?\b' "$never" '"follow", "notice" or "wait for" instead of "heed"'
plain '\b(is|are) good for\b' "$never" '"valid for" instead of "good for"'
plain '[,;:] else\b|(/|!|#) Else\b' "$never" '"otherwise" instead of "else" in a sentence'
plain '\b(is|are|was|were) no [a-z]' "\\b[Tt]here('s)? (is|are|was|were) no |\\bno (longer|more|other)\\b" \
    '"is not a …" or "there is no …" instead of "is no …"'

exit $failed
