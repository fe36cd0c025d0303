# What the supervisor of a job on a host and the requests about that job have in common. It stands before both.
# Plain POSIX. What is in a file or in a value is data: nothing of it is ever run.

unset CDPATH
# The files of a job are for this user alone, and lengths count bytes. The program gets what the login had.
login_umask=$(umask)
umask 077
had_locale=${LC_ALL+yes} locale=${LC_ALL-}
LC_ALL=C
export LC_ALL
newline='
'

is_linux() { [ -r /proc/self/stat ]; }

# A number as it is written here. Zeros before it would make it an octal one.
is_number() {
    case $1 in
    '' | *[!0-9]* | 0?*) return 1 ;;
    esac
    [ ${#1} -le 15 ]
}

is_id() {
    case $1 in
    '' | *[!0-9A-Za-z-]*) return 1 ;;
    esac
    [ ${#1} -le 64 ]
}

# Milliseconds since 1970.
now() { echo "$(date +%s)000"; }

# Waits until the disk has these. An older `sync` takes no names and waits for all.
on_disk() { sync "$@" 2>/dev/null || sync; }

# is_full DIRECTORY BYTES: there is no room for a file of so many bytes, by the words of the system.
is_full() {
    wrote=$(dd if=/dev/zero of="$1/.room.$$" bs=4096 count=$(($2 / 4096 + 16)) 2>&1)
    rm -f "$1/.room.$$"
    case $wrote in
    *'No space left'* | *'uota exceeded'*) return 0 ;;
    esac
    return 1
}

# sized FILE: sets `size` of a regular file, which is not a link.
sized() {
    set -f
    # shellcheck disable=SC2046 # the words are wanted
    set -- $(ls -lnd -- "$1" 2>/dev/null)
    set +f
    case ${1-} in
    -*) size=$5 && is_number "$size" ;;
    *) return 1 ;;
    esac
}

# make_regular FILE: what is called so and is not a regular file goes, so that a file of ours can be made. Other programs may
# have put a FIFO there, on which everyone waits, or a link that leads elsewhere.
make_regular() {
    { [ -e "$1" ] || [ -L "$1" ]; } && ! sized "$1" || return 0
    rm -f -- "$1" 2>/dev/null || mv -f -- "$1" "$1.other.$$" 2>/dev/null
}

# look_at PID: sets `started` and `group` of a process that lives.
look_at() {
    if is_linux; then
        shown=
        # The last line has its end. Of a process that goes meanwhile nothing can be read, and `line` may be left as it was.
        { while IFS= read -r line; do shown=$shown$line; done; } 2>/dev/null <"/proc/$1/stat" || return 1
        # The name of a program may hold anything, and ends at the last parenthesis.
        # shellcheck disable=SC2086 # the words are wanted
        set -- ${shown##*) }
        [ $# -ge 20 ] || return 1
        group=$3 started=${20}
    else
        # shellcheck disable=SC2046 # the words are wanted
        set -- $(TZ=UTC0 ps -o stat= -o pgid= -o lstart= -p "$1" 2>/dev/null)
        [ $# -ge 7 ] || return 1
        group=$2
        started=$(stamp "$@")
    fi
    case $1 in
    Z* | X*) return 1 ;;
    esac
    is_number "$started"
}

# stamp STATE GROUP Fri Nov 27 06:43:29 2026: these as one number.
stamp() {
    case $4 in
    Jan) month=01 ;; Feb) month=02 ;; Mar) month=03 ;; Apr) month=04 ;; May) month=05 ;; Jun) month=06 ;;
    Jul) month=07 ;; Aug) month=08 ;; Sep) month=09 ;; Oct) month=10 ;; Nov) month=11 ;; Dec) month=12 ;;
    *) return 1 ;;
    esac
    case $5 in
    ?) day=0$5 ;;
    *) day=$5 ;;
    esac
    clock=${6%%:*}${6#*:}
    echo "$7$month$day${clock%%:*}${clock#*:}"
}

# lives PID STARTED: this process, and not a later one with its number.
lives() { look_at "$1" && [ "$started" = "$2" ]; }

# Sets `boot`, this start of the system, and `namespace` of this process.
this_start() {
    boot='' namespace=0
    is_linux || return 0
    IFS= read -r boot </proc/sys/kernel/random/boot_id
    namespace=$(ls -ln /proc/self/ns/pid 2>/dev/null)
    namespace=${namespace##*\[}
    namespace=${namespace%\]}
    is_number "$namespace" || namespace=0
}

# group_has_others GROUP: some process of it lives, beside the one that leads it.
group_has_others() {
    if is_linux; then
        for other in /proc/[0-9]*/stat; do
            other=${other#/proc/}
            other=${other%/stat}
            [ "$other" != "$1" ] && look_at "$other" && [ "$group" = "$1" ] && return 0
        done
        return 1
    fi
    ps -A -o pid= -o pgid= -o stat= | while read -r other group state; do
        case $other:$group:$state in
        "$1":* | *:Z*) ;;
        *:"$1":*) echo "$other" ;;
        esac
    done | grep -q .
}

# end_marked VARIABLE: ends every process that was started with this variable, as far as the system shows that.
end_marked() {
    is_linux || return 0
    for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
        marked=$(grep -lF "$1" /proc/[0-9]*/environ 2>/dev/null)
        [ -n "$marked" ] || return 0
        for one in $marked; do
            one=${one#/proc/}
            kill -s KILL "${one%/environ}" 2>/dev/null
        done
        [ "$round" -lt 5 ] || sleep 1
    done
    return 1
}

# Finds what can put a process in a session of its own, and sets `splitter`.
find_splitter() {
    for splitter in setsid perl python3; do
        command -v "$splitter" >/dev/null && return 0
    done
    splitter=
    return 1
}

# apart PROGRAM...: becomes this program, which leads a session and a group of its own. A shell lets what it starts in the
# background ignore INT and QUIT, and what follows cannot undo that; so it is undone here, where something can.
apart() {
    # shellcheck disable=SC2016 # these are not the shell's
    case $splitter in
    setsid)
        if env --default-signal=HUP,INT,QUIT,PIPE true 2>/dev/null; then
            exec setsid env --default-signal=HUP,INT,QUIT,PIPE "$@"
        elif command -v perl >/dev/null; then
            exec setsid perl -e '$SIG{$_} = "DEFAULT" for qw(HUP INT QUIT PIPE); exec {$ARGV[0]} @ARGV' "$@"
        fi
        exec setsid "$@"
        ;;
    perl) exec perl -e 'use POSIX (); POSIX::setsid(); $SIG{$_} = "DEFAULT" for qw(HUP INT QUIT PIPE); exec {$ARGV[0]} @ARGV' "$@" ;;
    python3) exec python3 -I -c 'import os, signal as s, sys
os.setsid()
for one in (s.SIGHUP, s.SIGINT, s.SIGQUIT, s.SIGPIPE): s.signal(one, s.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$@" ;;
    esac
    exit 127
}

login_locale() {
    case $had_locale in
    yes) LC_ALL=$locale ;;
    *) unset LC_ALL ;;
    esac
}

# plain_line TEXT: at most 300 printable characters, for a value in a line.
plain_line() { printf '%.300s' "$1" | tr -d '\\' | tr -c '[:print:]' ' '; }

# has_end JOB: its `exit` can be read, and is as `say_end` writes it.
has_end() {
    [ -e "$1/exit" ] && sized "$1/exit" && [ "$size" -le 16384 ] || return 1
    end_format='' end_how='' end_finished=''
    {
        while IFS= read -r line; do
            case $line in
            *\\*) return 1 ;;
            'format 1') end_format=yes ;;
            'how exited' | 'how failed' | 'how cancelled' | 'how timed-out' | 'how interrupted') end_how=yes ;;
            'finished '*) is_number "${line#* }" && end_finished=yes || return 1 ;;
            'reason '* | 'status '* | 'signal '* | 'started '*) ;;
            *) return 1 ;;
            esac
        done
    } 2>/dev/null <"$1/exit"
    [ "$end_format$end_how$end_finished" = yesyesyes ]
}

# say_end JOB HOW REASON STATUS SIGNAL STARTED: on the disk when it returns. A job's first end stays. What is called `exit` and
# is not an end is put aside: otherwise the job would never have one.
say_end() {
    ! has_end "$1" || return 0
    if [ -e "$1/exit" ] || [ -L "$1/exit" ]; then
        mv -f -- "$1/exit" "$1/exit.other.$$" 2>/dev/null || return 1
    fi
    text="format 1${newline}how $2$newline"
    [ -z "$3" ] || text="${text}reason $(plain_line "$3")$newline"
    [ -z "$4" ] || text="${text}status $4$newline"
    [ -z "$5" ] || text="${text}signal $5$newline"
    [ -z "$6" ] || text="${text}started $6$newline"
    text="${text}finished $(now)$newline"
    draft=$1/exit.$$
    # What was kept free is written over, so that this is told when the disk is full.
    mv "$1/exit.draft" "$draft" 2>/dev/null
    make_regular "$draft"
    printf %s "$text" 1<>"$draft" || return 1
    dd if=/dev/null of="$draft" bs=1 seek=${#text} count=0 2>/dev/null || return 1
    on_disk "$draft"
    if ! ln "$draft" "$1/exit" 2>/dev/null && [ ! -e "$1/exit" ]; then
        mv "$draft" "$1/exit" || return 1
    fi
    rm -f "$draft"
    on_disk "$1"
}

# write_this: which process this is.
write_this() {
    this_start
    look_at $$ || return 1
    printf 'format 1\npid %s\nstart %s\nboot %s\nnamespace %s\nnode %s\n' \
        $$ "$started" "$boot" "$namespace" "$(plain_line "$(uname -n)")"
}

# had_processes JOB: sets `had_*` from its files `claim` and `pid`, as far as they are numbers of a process.
had_processes() {
    had_pid='' had_start='' had_boot='' had_node='' had_namespace='' had_at='' had_group='' had_group_start='' had_helper='' had_helper_start=''
    read_processes "$1/claim" || return 1
    read_processes "$1/pid"
    # 0 and 1 would mean this group, and every process.
    for number in "$had_pid" "${had_group:-2}" "${had_helper:-2}"; do
        is_number "$number" && [ "$number" -gt 1 ] || return 1
    done
}

read_processes() {
    sized "$1" && [ "$size" -le 4096 ] || return 1
    while IFS=' ' read -r key value; do
        case $key in
        boot) had_boot=$value ;;
        node) had_node=$value ;;
        esac
        is_number "$value" || continue
        case $key in
        pid) had_pid=$value ;;
        start) had_start=$value ;;
        namespace) had_namespace=$value ;;
        at) had_at=$value ;;
        group) had_group=$value ;;
        group-start) had_group_start=$value ;;
        helper) had_helper=$value ;;
        helper-start) had_helper_start=$value ;;
        esac
    done <"$1"
}
