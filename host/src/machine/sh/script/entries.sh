# Lists what is in the directory $2, which must lie in $1: kind and rights in hexadecimal digits, size, time of change,
# and a name that begins with `./` and ends with `/`.
berth_list() {
    berth_enter "$1" "$2"
    [ -r . ] || berth_refuse unreadable
    if stat -c %f / >/dev/null; then
        find . ! -name . -prune -exec stat -c '%f %s %.3Y %n/' {} +
    elif stat -f %Xp / >/dev/null; then
        find . ! -name . -prune -exec stat -f '%Xp %z %Fm %N/' {} +
    else
        berth_refuse no-stat
    fi
}

# Lists in the same way the names of the directories in $2 that hold something with one of the names after that. A link
# counts where it leads to a place in $1.
berth_having() {
    berth_enter "$1" "$2"
    [ -r . ] || berth_refuse unreadable
    berth_path=$1
    shift 2
    for berth_name in * .[!.]* ..?*; do
        [ -d "./$berth_name" ] || continue
        for berth_line in "$@"; do
            # What lies outside is not told, also not whether it is there.
            case $berth_line in
            */*) (cd -P "./$berth_name/${berth_line%/*}" && berth_here && berth_inside "$berth_path" "$berth_at") || continue ;;
            esac
            if [ -e "./$berth_name/$berth_line" ] || [ -h "./$berth_name/$berth_line" ]; then
                [ ! -h "./$berth_name" ] || (cd -P "./$berth_name" && berth_inside "$berth_path" "$PWD") || break
                printf './%s/' "$berth_name"
                break
            fi
        done
    done
}
