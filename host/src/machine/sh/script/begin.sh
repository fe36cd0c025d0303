# What every request begins with. After it comes the function berth_frame, which prints the line of a frame.
# The login may have exported options of the shell, functions (bash takes them), and variables that are used here.
set +a +e +f +u +v +x +C
exec 3>&2 2>/dev/null
IFS='
'
if [ -n "${BASH_VERSION-}" ]; then
    for berth_line in $(declare -Fx); do
        case $berth_line in
        'declare -fx '*) unset -f "${berth_line##* }" ;;
        esac
    done
fi
unset IFS CDPATH
unset berth_at berth_is berth_line berth_lingers berth_name berth_path berth_program berth_rest berth_root berth_home
berth_home=${HOME-}

# In these shells printf is another program, and everyone would see what it prints among its arguments.
case $(command -v printf) in
printf) ;;
*)
    echo "the /bin/sh of this host has no printf of its own, so it cannot be used: give it dash, bash or busybox"
    kill -KILL 0
    ;;
esac

# A program that asks its group to end is answered by its own end, and not by that of this shell. Where nobody hears this
# shell any more, all of its group ends with it.
trap : HUP INT QUIT TERM ALRM USR1 USR2
trap 'kill -KILL 0' PIPE

# What tells process $1 from a later one that has its number: its group, and when it started.
berth_known() {
    berth_is=
    if IFS= read -r berth_line <"/proc/$1/stat"; then
        set -- ${berth_line##*') '}
        berth_is="$3 ${20}"
    else
        berth_is=$(LC_ALL=C ps -o pgid= -o lstart= -p "$1")
        set -- $berth_is
        berth_is="$*"
    fi
}

# Says on standard output why what was asked for is not done, and ends the subshell that would have done it.
berth_refuse() {
    berth_frame "refused $1"
    exit 0
}

berth_hello() {
    berth_known $$
    berth_frame "hello $$ $berth_is"
    berth_frame hello >&3
}

berth_begin() {
    berth_frame "begin $1"
    berth_frame "begin $1" >&3
}

# $3: what it left may stay if it succeeded.
berth_end() {
    berth_frame "end $1 $2"
    berth_frame "end $1 $2" >&3
    [ "$2$3" != 0lingers ] || berth_lingers=1
}

# What is left of the group ends, and this shell with it.
berth_finish() {
    [ -n "$berth_lingers" ] || kill -KILL 0
    exit 0
}
