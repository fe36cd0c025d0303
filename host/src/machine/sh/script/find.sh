# Tells what a host has, each with NUL after it.

berth_tell() {
    printf '%s\000' "$1"
}

# The system, the clock, the home directory, the path, and where berth keeps what is its own.
berth_tell_host() {
    berth_tell "$(uname -s)"
    berth_tell "$(date +%s)"
    berth_tell "$berth_home"
    berth_tell "$PATH"
    case ${XDG_STATE_HOME-} in
    /*) (berth_tell_without_links "$XDG_STATE_HOME/berth") ;;
    *) (berth_tell_without_links "$berth_home/.local/state/berth") ;;
    esac
}

# The path $1 without links, as far as it is there.
berth_tell_without_links() {
    berth_path=$1 berth_rest=
    until cd -P "${berth_path:-/}"; do
        berth_rest=/${berth_path##*/}$berth_rest
        berth_path=${berth_path%/*}
    done
    berth_here
    berth_tell "${berth_at%/}$berth_rest"
}

# Where the program $1 is: `here` on the path or at its own place, `elsewhere` at another one, or `nowhere`.
berth_tell_program() {
    berth_program=
    case $1 in
    '~/'*) berth_at_hand "$berth_home" "${1#??}" ;;
    /*) berth_at_hand '' "${1#?}" ;;
    *)
        berth_rest=$PATH:
        while [ -z "$berth_program" ] && [ -n "$berth_rest" ]; do
            berth_at_hand "${berth_rest%%:*}" "$1"
            berth_rest=${berth_rest#*:}
        done
        ;;
    esac
    if [ -n "$berth_program" ]; then
        berth_tell here
        berth_tell "$berth_program"
        return
    fi
    berth_name=${1##*/}
    for berth_path in "$berth_home/.local/bin" "$berth_home/bin" /opt/homebrew/bin /usr/local/bin \
        "$berth_home/.npm-global/bin" "$berth_home"/.nvm/versions/node/*/bin; do
        [ -n "$berth_program" ] || berth_at_hand "$berth_path" "$berth_name"
    done
    if [ -n "$berth_program" ]; then
        berth_tell elsewhere
    else
        berth_tell nowhere
    fi
    berth_tell "$berth_program"
}

berth_at_hand() {
    if [ -f "$1/$2" ] && [ -x "$1/$2" ]; then
        berth_program=$1/$2
    fi
}

# The path of the directory $1 without links, or why there is none.
berth_tell_directory() {
    case $1 in
    '~') berth_path=$berth_home ;;
    '~/'*) berth_path=$berth_home/${1#??} ;;
    *) berth_path=$1 ;;
    esac
    if cd -P "$berth_path"; then
        berth_here
        berth_tell there
        berth_tell "$berth_at"
    elif [ -d "$berth_path" ]; then
        berth_tell unreadable
        berth_tell "$berth_path"
    elif [ -e "$berth_path" ]; then
        berth_tell not-directory
        berth_tell "$berth_path"
    else
        berth_tell missing
        berth_tell "$berth_path"
    fi
}
