# What is asked about the jobs of one installation on a host. Calls follow this text, with their values as quoted words.
# Each answers with items: a line `NONCE KIND ID`, then what belongs to it, up to the next line with the nonce.

# What is used below is not what the login may have exported with these names.
unset nonce shell state place found draft job script splitter

# at NONCE SHELL INSTALLATION: where everything is. It is nobody else's.
at() {
    nonce=$1 shell=$2
    case ${XDG_STATE_HOME-} in
    /*) state=$XDG_STATE_HOME ;;
    *) state=$HOME/.local/state ;;
    esac
    place=$state/berth/$3
    case $(command -v printf) in
    printf) ;;
    *) fatal "the shell there has no printf of its own, so that values could be seen among its processes" ;;
    esac
    found=no
    if ! cd "$place/jobs" 2>/dev/null; then
        # There is none yet, and nothing else is taken for one.
        cd /
        return
    fi
    found=yes
    belongs_to_this_user_alone . || fatal "$place/jobs does not belong to this user alone: chmod 700 it, or remove it"
}

# make_place: what `at` names, for the first job.
make_place() {
    mkdir -p "$place/jobs" "$place/supervisors" && cd "$place/jobs" ||
        fatal "$place cannot be made: is the disk full, or does it belong to another user?"
    found=yes
    belongs_to_this_user_alone . || fatal "$place/jobs does not belong to this user alone: chmod 700 it, or remove it"
}

belongs_to_this_user_alone() {
    me=$(id -u)
    set -f
    # shellcheck disable=SC2046 # the words are wanted
    set -- $(ls -lnd -- "$1" 2>/dev/null)
    set +f
    case ${1-}:${3-} in
    d???------*:"$me") return 0 ;;
    esac
    return 1
}

item() { printf '\n%s %s %s\n' "$nonce" "$1" "$2"; }

fatal() {
    item fatal -
    printf '%s\n' "$(plain_line "$1")"
    over
    exit 1
}

over() { item over -; }

# answer ID WORDS
answer() {
    item answer "$1"
    shift
    printf '%s\n' "$*"
}

is_job() { [ "$found" = yes ] && is_id "$1" && [ -d "$1" ] && [ ! -L "$1" ]; }

# ring ID NAME: an event for its supervisor. A FIFO that is full, or that the job put there, holds up nobody.
ring() {
    [ -p "$1/$2" ] || return 0
    { echo look 1<>"$1/$2"; } </dev/null >/dev/null 2>&1 &
}

# --- bytes that come in pieces, into a draft

draft() {
    draft=
    [ "$found" = yes ] || return 0
    draft=$PWD/.draft.$nonce
    : >"$draft"
}

put() { [ -z "$draft" ] || printf %b "$1" >>"$draft"; }

drop_draft() { [ -z "$draft" ] || rm -f "$draft" "$draft".*; }

# draft_has BYTES: they all are there, and on the disk.
draft_has() { sized "$draft" && [ "$size" -eq "$1" ] && on_disk "$draft"; }

# --- the supervisor's script

# install DIGEST CHECKSUM: what is in the draft. It comes in one step, so that no shell reads a part of it.
install() {
    script=$place/supervisors/$1.sh
    if [ "$(cksum <"$draft")" = "$2" ] && on_disk "$draft" && mv "$draft" "$script"; then
        answer - installed
    else
        answer - error 'the script of supervisors cannot be kept: is the disk full?'
    fi
    drop_draft
}

# --- a job's start

# make ID SPEC BYTES WHOLE: its directory, with the draft as its first input. One that is there is filled again until a
# supervisor takes it; what is there already stays, so that two who start it at once do not disturb each other.
make() {
    made=no why=
    is_id "$1" || { why='it has no name of a job' && return; }
    if [ -e "$1/claim" ]; then
        made=claimed
    elif ! mkdir "$1" 2>/dev/null && ! is_job "$1"; then
        why="its directory cannot be made in $PWD: is the disk full?"
    elif ! belongs_to_this_user_alone "$1"; then
        why='its directory does not belong to this user alone'
    elif ! draft_has "$3"; then
        why='its input cannot be kept: is the disk full?'
    elif fill "$@"; then
        made=yes
    else
        why='its files cannot be made: is the disk full?'
    fi
    drop_draft
}

fill() {
    printf %s "$2" >"$draft.spec" && mv "$draft.spec" "$1/spec" || return 1
    # Room for the end, so that it can be told when the disk is full.
    dd if=/dev/zero of="$draft.end" bs=4096 count=4 2>/dev/null || return 1
    ln "$draft.end" "$1/exit.draft" 2>/dev/null || [ -e "$1/exit.draft" ] || [ -e "$1/claim" ] || return 1
    if [ "$3" -gt 0 ]; then
        ln "$draft" "$1/in.0" 2>/dev/null || [ -e "$1/in.0" ] || return 1
    fi
    if [ "$4" = whole ]; then
        : >"$draft.none" || return 1
        ln "$draft.none" "$1/in.$3" 2>/dev/null || [ -e "$1/in.$3" ] || return 1
    fi
    on_disk "$1" .
}

# start ID DIGEST CHECKSUM ROOT BELOW KEEP PATHS VALUES: starts the supervisor of a job that was made. It answers when one
# has the job.
start() {
    case $made in
    claimed) answer "$1" claimed && return ;;
    no) answer "$1" refused "$(plain_line "$why")" && return ;;
    esac
    script=$place/supervisors/$2.sh
    if [ "$(cksum 2>/dev/null <"$script")" != "$3" ]; then
        answer "$1" wanted
        return
    fi
    if ! find_splitter; then
        answer "$1" refused 'this host has neither setsid nor perl nor python3: install one of them'
        return
    fi
    job=$PWD/$1
    said=$(begin "$@" 2>&1)
    case $said in
    claimed*) answer "$1" claimed ;;
    *)
        said=${said#refused }
        if [ -e "$1/claim" ]; then
            answer "$1" claimed
        else
            answer "$1" refused "$(plain_line "${said:-it ended at once}")"
        fi
        ;;
    esac
}

begin() {
    enter "$4" "$5" || exit
    environment "$6" "$7"
    export BERTH_SUPERVISOR="$1"
    { [ -z "$8" ] || printf '%s\n' "$8" && echo end; } | {
        login_locale
        apart "$shell" "$script" supervise "$shell" "$job"
    } &
}

# enter ROOT BELOW: the directory below the root, if it lies in it when all links are followed. An absolute root is a path
# without links.
enter() {
    root=$1
    case $root in
    '') cd / && return ;;
    '~') root=$HOME ;;
    '~/'*) root=$HOME/${root#'~/'} ;;
    esac
    { cd -P -- "$root" && root=$(pwd -P && echo .) && cd -P -- "./$2"; } 2>/dev/null && here=$(pwd -P && echo .) || {
        echo "refused its directory is missing, or cannot be entered: $1/$2"
        return 1
    }
    root=${root%?.}
    root=${root%/}
    case $1 in
    /*)
        if [ "$root" != "${1%/}" ]; then
            echo "refused a link on the path of the granted directory leads elsewhere now: $1"
            return 1
        fi
        ;;
    esac
    here=${here%?.}
    case $here/ in
    "$root"/*) return 0 ;;
    esac
    echo "refused its directory does not lie in $1: $2"
    return 1
}

# environment KEEP PATHS: of what the login gave, only names that match stay, and the paths stand first.
environment() {
    rest=${2:+$2:} first=
    while [ -n "$rest" ]; do
        folder=${rest%%:*}
        rest=${rest#*:}
        case $folder in
        '~' | '~/'*) folder=${HOME%/}${folder#'~'} ;;
        esac
        first=$first$folder:
    done
    PATH=$first$PATH
    export PATH
    set -f
    for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
        kept=no
        for pattern in $1 PATH; do
            # shellcheck disable=SC2254 # it is a pattern
            case $name in
            $pattern) kept=yes ;;
            esac
        done
        case $name:$kept in
        LC_ALL:no) had_locale='' ;;
        *:yes | PWD:* | OLDPWD:* | SHLVL:* | _:* | PPID:* | UID:* | EUID:* | BASHOPTS:* | SHELLOPTS:*) ;;
        *) unset "$name" ;;
        esac
    done
    set +f
}

# --- its input

# input_end ID: sets `bytes`, where its input ends now, and `closed`.
input_end() {
    last='' bytes=0 closed=open
    for piece in "$1"/in.*; do
        piece=${piece##*/in.}
        is_number "$piece" && [ "$piece" -ge "${last:-0}" ] && last=$piece
    done
    [ -n "$last" ] || return 0
    sized "$1/in.$last" || return 1
    [ "$size" -gt 0 ] || closed=closed
    bytes=$((last + size))
}

# append ID EXPECT BYTES: the draft as the next piece. Who makes the file of that name first has added; another has a
# conflict. No piece is ever seen in part.
append() {
    if ! is_job "$1" || ! input_end "$1"; then
        answer "$1" error 'there is no such job, or its input cannot be read'
    elif [ "$2" != - ] && [ "$2" != "$bytes" ]; then
        answer "$1" conflict "$bytes"
    elif [ "$closed" = closed ]; then
        answer "$1" ended
    elif [ $((bytes + $3)) -gt 1073741824 ]; then
        answer "$1" too-much
    elif [ "$3" -eq 0 ]; then
        answer "$1" now "$bytes"
    elif ! draft_has "$3"; then
        answer "$1" error 'it cannot be kept: is the disk full?'
    elif ln "$draft" "$1/in.$bytes" 2>/dev/null; then
        on_disk "$1"
        ring "$1" feed
        answer "$1" now $((bytes + $3))
    elif [ -e "$1/in.$bytes" ] && input_end "$1"; then
        answer "$1" conflict "$bytes"
    else
        answer "$1" error 'it cannot be kept: is the disk full?'
    fi
    drop_draft
}

# close ID: no more input. It is a success if it has ended.
close() {
    for try in 1 2 3 4 5 6 7 8 9; do
        is_job "$1" && input_end "$1" || break
        if [ "$closed" = open ]; then
            draft && ln "$draft" "$1/in.$bytes" 2>/dev/null
            drop_draft
        fi
        if input_end "$1" && [ "$closed" = closed ]; then
            on_disk "$1"
            ring "$1" feed
            answer "$1" closed "$bytes"
            return
        fi
    done
    answer "$1" error 'its input cannot be ended: is there such a job, or is the disk full?'
}

# --- what became of it

# cancel ID
cancel() {
    if is_job "$1" && { [ -e "$1/cancel" ] || : >"$1/cancel"; }; then
        on_disk "$1"
        ring "$1" bell
        answer "$1" cancelled
    else
        answer "$1" error 'there is no such job, or its directory cannot be written'
    fi
}

# forestall ID: the same for one that may still come.
forestall() {
    is_id "$1" && { mkdir "$1" 2>/dev/null || is_job "$1"; }
    cancel "$1"
}

# is_of_this_start: had_processes named those of this start of the system, and of this pid namespace.
is_of_this_start() {
    this_start
    [ "$had_boot" = "$boot" ] && [ "$had_namespace" = "$namespace" ]
}

supervisor_lives() { had_processes "$1" && is_of_this_start && lives "$had_pid" "$had_start"; }

# status ID: its small files as they are, and how long the long ones are.
status() {
    item status "$1"
    if ! is_job "$1"; then
        echo "stage none
place $found"
        return
    fi
    stage=unclaimed
    [ ! -e "$1/claim" ] || stage=claimed
    echo "stage $stage"
    if [ ! -e "$1/exit" ]; then
        standing=gone
        ! supervisor_lives "$1" || standing=lives
        echo "supervisor $standing"
    fi
    input_end "$1" && echo "in $bytes $closed"
    id=$1
    set -- "$id/exit" "$id/pid" "$id/sent"
    for file in "$id"/out.* "$id"/err.*; do
        name=${file##*/}
        is_number "${name#???.}" && set -- "$@" "$file"
    done
    ls -lnd -- "$@" 2>/dev/null | while read -r mode links user others size rest; do
        name=${rest##*/}
        case $mode:$name in
        -*:exit | -*:pid | -*:sent) if [ "$size" -le 16384 ]; then show "$id/$name" "$name"; fi ;;
        -*:out.*) echo "out ${name#out.} $size" ;;
        -*:err.*) echo "err ${name#err.} $size" ;;
        esac
    done
}

# show FILE KEY: each of its lines, after the key.
show() {
    while IFS= read -r line; do printf '%s %s\n' "$2" "$line"; done <"$1"
}

# read_output ID NAME START MOST: what was printed, from there or from the first byte that is still kept.
read_output() {
    item read "$1"
    from='' later='' end=0
    if is_job "$1"; then
        for file in "$1/$2".*; do
            first=${file##*/"$2".}
            is_number "$first" && sized "$file" || continue
            [ $((first + size)) -le "$end" ] || end=$((first + size))
            [ "$size" -gt 0 ] && [ $((first + size)) -gt "$3" ] || continue
            if [ "$first" -le "$3" ]; then
                from=$first
            elif [ -z "$later" ] || [ "$first" -lt "$later" ]; then
                later=$first
            fi
        done
    fi
    if [ -n "$from" ]; then
        at=$3
    elif [ -n "$later" ]; then
        at=$later from=$later
    else
        at=$end
        [ "$3" -ge "$end" ] || at=$3
    fi
    printf 'start %s\nend %s\n\n' "$at" "$end"
    [ -n "$from" ] || return 0
    left=$4
    while [ "$left" -gt 0 ] && sized "$1/$2.$from" && [ "$size" -gt 0 ]; do
        length=$((from + size - at))
        [ "$length" -le "$left" ] || length=$left
        tail -c +$((at - from + 1)) "$1/$2.$from" | head -c "$length"
        at=$((at + length)) left=$((left - length)) from=$((from + size))
        [ "$at" -eq "$from" ] || break
    done
}

# settle ID: if its supervisor is gone, what is left of it is ended, and then it is interrupted. Of one that nobody can look
# at any more, what bears its mark is ended; where there is nothing of any job, that may come back.
settle() {
    if [ "$found" = yes ] && is_id "$1" && { ! is_job "$1" || [ ! -e "$1/claim" ]; } && [ ! -e "$1/exit" ]; then
        if ! end_marked "BERTH_SUPERVISOR=$1" || ! end_marked "BERTH_JOB=$1"; then
            answer "$1" error 'something of it does not end'
            return
        fi
    fi
    if is_job "$1" && [ -e "$1/claim" ] && [ ! -e "$1/exit" ] && ! supervisor_lives "$1"; then
        reason='the system was started again while it ran'
        if ! had_processes "$1" || is_of_this_start; then
            reason='its supervisor was killed, and what was left of it was ended'
            if ! end_what_is_left "$1"; then
                answer "$1" error 'something of it does not end'
                return
            fi
        fi
        if ! say_end "$PWD/$1" interrupted "$reason" '' '' "$had_at"; then
            answer "$1" error "its end cannot be written in $PWD: is the disk full?"
            return
        fi
        rm -f "$1/bell" "$1/feed" "$1/in.pipe" "$1/out.pipe" "$1/err.pipe" "$1/event"
    fi
    status "$1"
}

# The group of the program has the number of its leader, and that of the supervisor lasts as long as its helper: where one
# of those lives, the number is not another's. What left the groups is found by its mark where the system shows that.
end_what_is_left() {
    if [ -n "$had_group" ] && lives "$had_group" "$had_group_start"; then
        kill -s KILL -- "-$had_group" 2>/dev/null
        kill -s KILL "$had_group" 2>/dev/null
    fi
    if [ -n "$had_helper" ] && lives "$had_helper" "$had_helper_start" && [ "$group" = "$had_pid" ]; then
        kill -s KILL -- "-$had_pid" 2>/dev/null
    fi
    end_marked "BERTH_SUPERVISOR=$1" && end_marked "BERTH_JOB=$1"
}

# list: the jobs that are there.
list() {
    item list -
    [ "$found" = yes ] || return 0
    for directory in *; do
        if is_job "$directory"; then printf '%s\n' "$directory"; fi
    done
}

# remove ID: one that does not run. What is not a file in its directory is not entered, and then the directory stays.
remove() {
    if ! is_id "$1"; then
        answer "$1" error 'it has no name of a job'
    elif [ "$found" = no ] || { [ ! -e "$1" ] && [ ! -L "$1" ]; }; then
        answer "$1" removed
    elif ! is_job "$1"; then
        answer "$1" error 'something else is in its place'
    elif [ -e "$1/claim" ] && [ ! -e "$1/exit" ]; then
        answer "$1" running
    else
        for file in "$1"/* "$1"/.[!.]* "$1"/..?*; do
            [ -d "$file" ] && [ ! -L "$file" ] || rm -f -- "$file"
        done
        if rmdir "$1" 2>/dev/null; then
            answer "$1" removed
        else
            answer "$1" error "something in $PWD/$1 cannot be removed"
        fi
    fi
}
