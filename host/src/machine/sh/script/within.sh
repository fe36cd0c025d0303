# Directories that must lie in a granted one, whose path $1 has no links in it.

# Whether the directory $2 is $1 or lies below it.
berth_inside() {
    # Where $1 is `/`, bash takes a pattern "${1%/}"/* for another one.
    berth_root=${1%/}
    case $2/ in
    "$berth_root"/*) return 0 ;;
    esac
    return 1
}

# Sets berth_at to where this shell is, as the system knows it. Other shells than those of the family of ash only know
# the path on which they came, and a link may have stood there for a moment.
berth_here() {
    case ${BASH_VERSION-}${ZSH_VERSION-}${KSH_VERSION-} in
    '') berth_at=$PWD ;;
    *)
        if [ -x /bin/pwd ]; then
            berth_at=$(/bin/pwd -P && echo .)
        else
            berth_at=$(env pwd -P && echo .)
        fi
        berth_at=${berth_at%??}
        ;;
    esac
}

# Goes to the directory $2, which must lie in $1.
berth_enter() {
    cd -P "$2" && berth_here && berth_inside "$1" "$berth_at" || berth_why "$1" "$2"
}

# Says why the directory $2 cannot be entered. Of what lies outside it does not tell whether it is there.
berth_why() {
    if ! cd -P "$1"; then
        [ -e "$1" ] || [ -h "$1" ] || berth_refuse root-missing
        berth_refuse root-unreadable
    fi
    [ "$PWD" = "$1" ] || berth_refuse root-elsewhere
    berth_path=$2
    until cd -P "${berth_path:-/}"; do
        berth_line=$berth_path
        berth_path=${berth_path%/*}
        [ -e "$berth_line" ] || continue
        cd -P "${berth_path:-/}" && berth_inside "$1" "$PWD" || berth_refuse outside
        [ -h "$berth_line" ] && berth_refuse outside
        [ -d "$berth_line" ] && berth_refuse unreadable
        berth_refuse not-directory
    done
    berth_inside "$1" "$PWD" || berth_refuse outside
    [ -x . ] || berth_refuse unreadable
    [ "$berth_path" = "$2" ] && berth_refuse changing
    berth_refuse missing
}

# Checks the directory $2, which may still be missing: then the nearest one above it counts.
berth_hold() {
    berth_path=$2 berth_missing=
    until cd -P "${berth_path:-/}"; do
        if [ -e "$berth_path" ] || [ "$berth_path" = "$1" ]; then
            berth_why "$1" "$2"
        fi
        berth_missing=$berth_path
        berth_path=${berth_path%/*}
    done
    berth_inside "$1" "$PWD" || berth_why "$1" "$2"
    if [ -n "$berth_missing" ] && [ -h "$berth_missing" ]; then
        berth_refuse dangling
    fi
}
