# Reads of the file $2, which must lie in $1, at most $4 bytes from byte $3 on, counted from 1. $5: a link at its own place
# is followed if it leads to another place in $1.
berth_read() {
    berth_name=./${2##*/}
    berth_path=${2%/*}
    berth_enter "$1" "${berth_path:-/}"
    berth_rest=40
    while [ -h "$berth_name" ]; do
        [ "$5" = follow ] || berth_refuse link
        berth_rest=$((berth_rest - 1))
        berth_path=$(readlink "$berth_name" && echo .)
        berth_path=${berth_path%??}
        case $berth_rest:$berth_path in
        0:* | *:/* | *:) berth_refuse outside ;;
        esac
        berth_name=./${berth_path##*/}
        case $berth_path in
        */*)
            case $berth_path in
            *..*) cd -P "./${berth_path%/*}" || berth_refuse outside ;;
            *) cd -P "./${berth_path%/*}" || berth_refuse missing ;;
            esac
            berth_here && berth_inside "$1" "$berth_at" || berth_refuse outside
            ;;
        esac
    done
    if [ ! -f "$berth_name" ]; then
        [ ! -e "$berth_name" ] || berth_refuse not-regular
        [ -x . ] || berth_refuse unreadable
        berth_refuse missing
    fi
    [ -r "$berth_name" ] || berth_refuse unreadable
    command -v tail >/dev/null && command -v head >/dev/null || exit 127
    case $4:$3 in
    0:*) ;;
    *:1) head -c "$4" <"$berth_name" || berth_refuse unreadable ;;
    *) tail -c "+$3" <"$berth_name" | head -c "$4" || berth_refuse unreadable ;;
    esac
    # What was read may be what a link led to that stood there for a moment.
    [ ! -h "$berth_name" ] || berth_refuse changing
}
