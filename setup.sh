#!/bin/sh
# Installs what building, running and testing need: a C compiler to link with, the WebAssembly target, tmux, ps, unshare,
# systemd-analyze, an SSH server that only the tests start, and shells, as logins have them and as /bin/sh. With the
# argument `conformance` it also installs the official suite of MCP, with `languages` the compilers of plugins in Python and
# JavaScript, with `claude` the Claude Code that berth is tried with, with `acp` the agents of the Agent Client Protocol,
# with `clients` other makers' clients. If it may not install something, it prints one line that names it.
set -eu

say() { printf 'setup: %s\n' "$1" >&2; }

apt_install() {
    say "installing $1"
    apt-get install -y -q "$1" >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q "$1" >/dev/null; }
}

if ! command -v cargo >/dev/null 2>&1; then
    say 'Rust is missing: install rustup from https://rustup.rs, then try again'
    exit 1
fi

# On macOS there is always a `cc`; without the developer tools it only asks to install them.
have_cc() {
    command -v cc >/dev/null 2>&1 && { [ "$(uname -s)" != Darwin ] || xcode-select -p >/dev/null 2>&1; }
}

if ! have_cc; then
    if [ "$(uname -s)" = Darwin ]; then
        say 'a C compiler is missing: xcode-select --install, then try again'
        exit 1
    elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt_install build-essential
    elif command -v apt-get >/dev/null 2>&1; then
        say 'a C compiler is missing: sudo apt-get install build-essential, then try again'
        exit 1
    else
        say "a C compiler (cc) is missing: install it with your system's package manager, then try again"
        exit 1
    fi
fi

target=wasm32-wasip2
if command -v rustup >/dev/null 2>&1; then
    if ! rustup target list --installed | grep -qx "$target"; then
        say "adding the target $target"
        rustup target add "$target"
    fi
elif [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    say "the target $target is missing, and there is no rustup to add it: install your system's package for it"
    exit 1
fi

# need PROGRAM PACKAGE: installs the program if it is missing, or says how to install it.
need() {
    if command -v "$1" >/dev/null 2>&1; then
        return
    elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt_install "$2"
    elif command -v brew >/dev/null 2>&1; then
        say "installing $2"
        brew install --quiet "$2"
    elif command -v apt-get >/dev/null 2>&1; then
        say "$1 is missing: sudo apt-get install $2, then try again"
        exit 1
    else
        say "$1 is missing: install it with your system's package manager, then try again"
        exit 1
    fi
}

# Installs the SSH server. Its program is enough, but apt starts it at once and at every boot, where others can reach it.
need_ssh_server() {
    if [ -x /usr/sbin/sshd ]; then
        return
    elif ! command -v apt-get >/dev/null 2>&1; then
        need sshd openssh-server
        return
    elif [ "$(id -u)" != 0 ]; then
        say 'sshd is missing: sudo apt-get install openssh-server && sudo systemctl disable --now ssh, then try again'
        exit 1
    fi
    (
        # As long as this file exists, apt starts nothing.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            trap 'exit 1' HUP INT TERM
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        apt_install openssh-server
    )
    # There may be no systemd, or one of them alone.
    for unit in ssh.service ssh.socket; do
        systemctl disable --now "$unit" >/dev/null 2>&1 || true
    done
}

need tmux tmux
# The tests list processes; only the smallest Debian lacks it.
need ps procps
# The tests let it check the service's unit; it needs no running systemd.
[ "$(uname -s)" != Linux ] || need systemd-analyze systemd
# The tests try the shells that are /bin/sh somewhere, each in a session of its own, for which macOS has no program.
if [ "$(uname -s)" = Linux ]; then
    need dash dash
    need bash bash
    need busybox busybox
fi
# The tests mount in a namespace of their own; macOS has no namespaces.
[ "$(uname -s)" != Linux ] || need unshare util-linux

# The tests log in on hosts that are this machine, each with a shell of its own. The server is not on every PATH.
need ssh openssh-client
need_ssh_server
need fish fish
need tcsh tcsh

if [ "${1:-}" = conformance ]; then
    need npm npm
    say 'installing the conformance suite'
    # An old npm warns of its own age; the suite brings a Node.js of its own.
    (cd "$(dirname "$0")/tests/conformance" && npm ci --loglevel=error >/dev/null)
fi

if [ "${1:-}" = claude ]; then
    need npm npm
    need node nodejs
    say 'installing Claude Code, which is Anthropic'\''s and under its licence, into tests/claude'
    # The pinned program wants a newer Node.js only for its launcher, which is not used.
    (cd "$(dirname "$0")/tests/claude" && npm ci --loglevel=error >/dev/null)
fi

if [ "${1:-}" = acp ]; then
    need npm npm
    need node nodejs
    say 'installing OpenCode, Gemini CLI and Codex, which are their makers'\'' and under their licences, into tests/acp'
    (cd "$(dirname "$0")/tests/acp" && npm ci --loglevel=error >/dev/null)
fi

# On Debian, virtual environments of the system's Python are a separate package.
need_venv() {
    need python3 python3
    python3 -c 'import ensurepip' 2>/dev/null || need python3-venv python3-venv
}

if [ "${1:-}" = clients ]; then
    need npm npm
    need_venv
    clients=$(dirname "$0")/tests/clients
    say 'installing clients of MCP in Python and JavaScript'
    python3 -m venv --clear "$clients/.venv"
    "$clients/.venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$clients/requirements.txt"
    # The inspector brings what only its window needs. This comes last: its lock tells the Makefile that all is installed.
    (cd "$clients" && npm ci --loglevel=error >/dev/null)
fi

if [ "${1:-}" = languages ]; then
    need npm npm
    need_venv
    guests=$(dirname "$0")/host/tests/guests
    say 'installing what compiles plugins in JavaScript and Python'
    python3 -m venv --clear "$guests/python/.venv"
    "$guests/python/.venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --requirement "$guests/python/requirements.txt"
    # This comes last, because its lock tells the Makefile that everything is installed.
    (cd "$guests/javascript" && npm ci --loglevel=error >/dev/null)
fi
