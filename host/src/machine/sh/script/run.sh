# Programs of a backend.

# Leaves in the environment only what berth_kept names, PATH and HOME. In bash some variables cannot be unset.
berth_leave() {
    IFS='
'
    set -f
    for berth_line in $(export -p); do
        berth_name=${berth_line#export }
        berth_name=${berth_name#declare -* }
        berth_name=${berth_name#typeset -* }
        berth_name=${berth_name%%=*}
        case $berth_name in
        '' | *[!A-Za-z0-9_]* | [0-9]* | PATH | HOME) continue ;;
        esac
        berth_kept "$berth_name" && continue
        command unset "$berth_name" || command export -n "$berth_name"
    done
    set +f
    unset IFS
}

# Finds the program $1.
berth_seek() {
    case $1 in
    '~/'*) berth_program=$berth_home/${1#??} ;;
    */*) berth_program=$1 ;;
    *)
        berth_program=
        berth_rest=$PATH:
        while [ -z "$berth_program" ] && [ -n "$berth_rest" ]; do
            berth_path=${berth_rest%%:*}/$1
            berth_rest=${berth_rest#*:}
            if [ -f "$berth_path" ] && [ -x "$berth_path" ]; then
                berth_program=$berth_path
            fi
        done
        ;;
    esac
    [ -f "$berth_program" ] || berth_refuse no-program
    [ -x "$berth_program" ] || berth_refuse program-unreadable
}

# Refuses where a server still has the socket $1, whose file is gone: it has the sessions, and a second one would be started.
# A server that starts or ends looks like this for a moment, one that lost its socket stays so.
berth_reach() {
    berth_looks=0
    while berth_lost "$1"; do
        berth_looks=$((berth_looks + 1))
        [ "$berth_looks" -lt 4 ] || berth_refuse socket-lost
        sleep 0.1 2>/dev/null || sleep 1
    done
}

# Whether a server has the socket $1, but there is no file of it. The file is looked at before and after: a server that starts
# has it first.
berth_lost() {
    [ ! -S "$1" ] && [ -r /proc/net/unix ] || return 1
    while IFS= read -r berth_line; do
        case $berth_line in
        *" $1")
            [ ! -S "$1" ]
            return
            ;;
        esac
    done </proc/net/unix
    return 1
}
