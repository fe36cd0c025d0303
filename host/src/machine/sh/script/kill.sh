# Ends the group of the process $1, if that is the one which $2 tells.
berth_kill() {
    berth_known "$1"
    if ! kill -0 "$1"; then
        # What it started may have outlived it, and keeps the number of the group from all others.
        kill -KILL "-$1"
        echo gone
    elif [ -z "$berth_is" ] || [ -z "$2" ]; then
        echo unknown
    elif [ "$berth_is" = "$2" ]; then
        kill -KILL "-${berth_is%% *}" && echo killed
    else
        echo another
    fi
}
