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

# make_place: what `at` names, for the first job. Whoever is killed leaves a draft, and that goes later.
make_place() {
    mkdir -p "$place/jobs" "$place/supervisors" && cd "$place/jobs" ||
        fatal "$place cannot be made: is the disk full, or does it belong to another user?"
    found=yes
    belongs_to_this_user_alone . || fatal "$place/jobs does not belong to this user alone: chmod 700 it, or remove it"
    remove_old . '.draft.*'
}

# remove_old DIRECTORY PATTERN: the files in it, not below it, with such a name and older than a day.
remove_old() {
    find "$1/." ! -name . -prune -type f -name "$2" -mtime +0 -exec rm -f {} + 2>/dev/null
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

# install DIGEST CHECKSUM: what is in the draft. It comes in one step, so that no shell reads a part of it. Who still begins
# jobs by another one asks for that again.
install() {
    script=$place/supervisors/$1.sh
    if [ "$(cksum <"$draft")" = "$2" ] && on_disk "$draft" && mv "$draft" "$script"; then
        find "$place/supervisors/." ! -name . -prune -type f -name '*.sh' ! -name "$1.sh" -mtime +0 -exec rm -f {} + 2>/dev/null
        answer - installed
    else
        answer - error 'the script of supervisors cannot be kept: is the disk full?'
    fi
    drop_draft
}

# --- a job's start

# make ID SPEC ABOUT BYTES WHOLE: its directory, with the draft as its first input. One that is there is filled again until a
# supervisor takes it; what is there already stays, so that two who start it at once do not disturb each other. Where the
# disk is full, it can be made later.
make() {
    made=no why=
    is_id "$1" || { why='it has no name of a job' && return; }
    if [ -e "$1/claim" ]; then
        made=claimed
    elif ! new_directory "$1" && ! is_job "$1"; then
        made=unkept why="its directory cannot be made in $PWD"
        ! was_taken "$1" || made=no why='another installation has taken it over'
    elif ! belongs_to_this_user_alone "$1"; then
        why='its directory does not belong to this user alone'
    elif ! draft_has "$4"; then
        made=unkept why="its input cannot be kept in $PWD"
    elif fill "$@"; then
        made=yes
    else
        made=unkept why="its files cannot be made in $PWD"
    fi
    drop_draft
    [ "$made" = unkept ] || return 0
    if is_full . "$4"; then
        made=full why="$why: the disk is full"
    else
        made=no why="$why: may this user write there?"
    fi
}

# new_directory ID: of a job that was never there. Whoever moved it away has said so before.
new_directory() {
    mkdir "$1" 2>/dev/null || return 1
    was_taken "$1" || return 0
    rmdir "$1"
    return 1
}

fill() {
    printf %s "$2" >"$draft.spec" && mv "$draft.spec" "$1/spec" || return 1
    printf %s "$3" >"$draft.about" && mv "$draft.about" "$1/about" || return 1
    # Room for the end, so that it can be told when the disk is full. What it has more until then is for the files of its
    # start.
    dd if=/dev/zero of="$draft.end" bs=4096 count=32 2>/dev/null || return 1
    dd if=/dev/null of="$draft.end" bs=4096 seek=4 count=0 2>/dev/null || return 1
    ln "$draft.end" "$1/exit.draft" 2>/dev/null || [ -e "$1/exit.draft" ] || [ -e "$1/claim" ] || return 1
    if [ "$4" -gt 0 ]; then
        ln "$draft" "$1/in.0" 2>/dev/null || [ -e "$1/in.0" ] || return 1
    fi
    if [ "$5" = whole ]; then
        : >"$draft.none" || return 1
        ln "$draft.none" "$1/in.$4" 2>/dev/null || [ -e "$1/in.$4" ] || return 1
    fi
    on_disk "$1" .
}

# start ID DIGEST CHECKSUM ROOT BELOW KEEP PATHS VALUES: starts the supervisor of a job that was made. It answers when one
# has the job.
start() {
    case $made in
    claimed) answer "$1" claimed && return ;;
    full) answer "$1" full "$(plain_line "$why")" && return ;;
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
    'full '*) answer "$1" full "$(plain_line "${said#full }")" ;;
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
        umask "$login_umask"
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
    elif was_taken "$1"; then
        answer "$1" error 'another installation has taken it over'
    else
        answer "$1" error 'there is no such job, or its directory cannot be written'
    fi
}

# forestall ID: the same for one that may still come.
forestall() {
    is_id "$1" && new_directory "$1"
    cancel "$1"
}

# is_of_this_start: had_processes named those of this start of the system, and of this pid namespace.
is_of_this_start() {
    this_start
    [ "$had_boot" = "$boot" ] && [ "$had_namespace" = "$namespace" ]
}

supervisor_lives() { had_processes "$1" && is_of_this_start && lives "$had_pid" "$had_start"; }

# program_lives ID: what leads the group of its program does.
program_lives() {
    had_processes "$1" && [ -n "$had_group" ] && is_of_this_start && lives "$had_group" "$had_group_start"
}

# status ID: its small files as they are, and how long the long ones are. Of one that another installation has taken over,
# what was left here.
status() {
    item status "$1"
    if is_job "$1"; then
        stand "$1"
    elif was_taken "$1"; then
        cat "../taken/$1"
    else
        echo "stage none
place $found"
    fi
}

# Other programs of this user can write an `exit`: it counts when no supervisor lives any more that would say another.
stand() {
    stage=unclaimed
    [ ! -e "$1/claim" ] || stage=claimed
    echo "stage $stage"
    if supervisor_lives "$1"; then
        echo 'supervisor lives'
    elif has_end "$1" && ! program_lives "$1"; then
        show "$1/exit" exit
    elif is_elsewhere "$1"; then
        echo "supervisor elsewhere
node $(plain_line "$had_node")"
    else
        echo 'supervisor gone'
    fi
    for name in pid sent; do
        if [ -e "$1/$name" ] && sized "$1/$name" && [ "$size" -le 16384 ]; then show "$1/$name" "$name"; fi
    done
    lengths "$1"
}

# lengths ID: of its input and of what it printed. By names alone, of which there may be any number.
lengths() {
    input_end "$1" && echo "in $bytes $closed"
    for name in out err; do
        segments "$1" "$name" 0
        [ -n "$last" ] || continue
        if [ "$first" != "$last" ]; then echo "$name $first 0"; fi
        if sized "$1/$name.$last"; then echo "$name $last $size"; fi
    done
}

# show FILE KEY: each of its lines, after the key.
show() {
    { while IFS= read -r line; do printf '%s %s\n' "$2" "$line"; done; } 2>/dev/null <"$1"
}

# segments ID NAME PLACE: sets where the `first` and the `last` segment of an output begin, the one that can hold this
# place, `from`, and the one after it, `later`. Nothing where there is none.
segments() {
    first='' last='' from='' later=''
    for piece in "$1/$2".*; do
        piece=${piece##*/"$2".}
        is_number "$piece" || continue
        [ "$piece" -ge "${first:-$piece}" ] || first=$piece
        first=${first:-$piece}
        [ "$piece" -lt "${last:-0}" ] || last=$piece
        if [ "$piece" -gt "$3" ]; then
            [ "$piece" -gt "${later:-$piece}" ] || later=$piece
        else
            [ "$piece" -lt "${from:-0}" ] || from=$piece
        fi
    done
}

# read_output ID NAME START MOST: what was printed, from there or from the first byte that is still kept.
read_output() {
    item read "$1"
    from='' later='' last='' end=0
    ! is_job "$1" || segments "$1" "$2" "$3"
    if [ -n "$last" ] && sized "$1/$2.$last"; then end=$((last + size)); fi
    if [ -n "$from" ]; then
        sized "$1/$2.$from" && [ $((from + size)) -gt "$3" ] || from=
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

# is_elsewhere ID: it was begun on another machine that has the same files here, and nobody here can tell whether it runs.
# One that was asked to end some time ago and has not said its end has nobody who would.
is_elsewhere() {
    had_processes "$1" && [ -n "$had_node" ] || return 1
    this_start
    [ "$had_node" != "$(plain_line "$(uname -n)")" ] && [ "$had_boot" != "$boot" ] &&
        [ -z "$(find "$1/cancel" -mmin +2 2>/dev/null)" ]
}

# settle ID: if its supervisor is gone, what is left of it is ended, and then it is interrupted. Of one that nobody can look
# at any more, what bears its mark is ended; where there is nothing of any job, that may come back.
settle() {
    if [ "$found" = yes ] && is_id "$1" && { ! is_job "$1" || [ ! -e "$1/claim" ]; } && ! has_end "$1" && is_ours "$1"; then
        if ! end_marked "BERTH_SUPERVISOR=$1" || ! end_marked "BERTH_JOB=$1"; then
            answer "$1" error 'something of it does not end'
            return
        fi
    fi
    if is_job "$1" && [ -e "$1/claim" ] && { ! has_end "$1" || program_lives "$1"; } && ! supervisor_lives "$1" && ! is_elsewhere "$1" && is_ours "$1"; then
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
        [ "$found" = no ] || rm -f "../taken/$1"
        answer "$1" removed
    elif ! is_job "$1"; then
        answer "$1" error 'something else is in its place'
    elif [ -e "$1/claim" ] && { [ ! -e "$1/exit" ] || supervisor_lives "$1"; }; then
        answer "$1" running
    else
        find "$1/." ! -name . -prune ! -type d -exec rm -f {} + 2>/dev/null
        if rmdir "$1" 2>/dev/null; then
            answer "$1" removed
        else
            answer "$1" error "something in $PWD/$1 cannot be removed"
        fi
    fi
}

# --- jobs of another installation

# was_taken ID: another installation has taken this job over. What it says of that is there before the job goes, so whoever
# finds that a job is gone finds this.
was_taken() { [ "$found" = yes ] && is_id "$1" && sized "../taken/$1" && [ "$size" -le 65536 ]; }

# is_ours ID: what was just seen of the directory of this job was not that it is moved away.
is_ours() { is_job "$1" || ! was_taken "$1"; }

# installations: those that have jobs, each with how many, and how many of these have not ended.
installations() {
    item installations -
    for folder in "$state"/berth/*; do
        name=${folder##*/}
        is_id "$name" && belongs_to_this_user_alone "$folder/jobs" || continue
        all=0 open=0
        for directory in "$folder"/jobs/*; do
            [ -e "$directory/claim" ] && [ ! -L "$directory" ] || continue
            all=$((all + 1))
            [ -e "$directory/exit" ] || open=$((open + 1))
        done
        [ "$all" -eq 0 ] || echo "$name $all $open"
    done
}

# describe ID: what its installation has left with it for another one.
describe() {
    item about "$1"
    if is_job "$1" && sized "$1/about" && [ "$size" -le 262144 ]; then show "$1/about" about; fi
}

# taken_by INSTALLATION: the jobs that this one has taken from here, and has.
taken_by() {
    item list -
    [ "$found" = yes ] || return 0
    for file in ../taken/*; do
        name=${file##*/}
        was_taken "$name" && grep -qxF "by $1" "$file" && has "$1" "$name" && printf '%s\n' "$name"
    done
    return 0
}

# has INSTALLATION ID
has() { [ -d "$state/berth/$1/jobs/$2" ] && [ ! -L "$state/berth/$1/jobs/$2" ]; }

# take ID INSTALLATION: the job goes to this installation, in one step. Before that it is said here that it does. Doing it
# again is the same.
take() {
    theirs=$state/berth/$2/jobs
    mkdir -p "$theirs" "$state/berth/$2/supervisors" && belongs_to_this_user_alone "$theirs" ||
        fatal "$theirs cannot be made, or does not belong to this user alone: is the disk full?"
    if ! is_job "$1" && was_taken "$1" && has "$2" "$1"; then
        answer "$1" taken
    elif ! is_job "$1" || [ ! -e "$1/claim" ]; then
        answer "$1" error 'it is not there any more, or was never begun'
    elif [ ! -e "$1/about" ]; then
        answer "$1" error 'an older berth began it, whose supervisors cannot be moved'
    elif ! can_move "$1"; then
        answer "$1" error 'it is just being begun: try again'
    elif [ -e "$theirs/$1" ] || [ -L "$theirs/$1" ]; then
        answer "$1" error 'something is in its place'
    elif ! { : >"$theirs/.draft.$nonce" && ln "$theirs/.draft.$nonce" ".draft.$nonce"; } 2>/dev/null; then
        answer "$1" error "$theirs is on another disk, or cannot be written"
    elif say_taken "$1" "$2" && mv "$1" "$theirs/$1" 2>/dev/null && has "$2" "$1"; then
        on_disk . "$theirs"
        # It may come back from where it went before.
        rm -f "$theirs/../taken/$1"
        answer "$1" taken
    elif ! is_job "$1" && has "$2" "$1"; then
        answer "$1" taken
    else
        answer "$1" error "it cannot be moved to $theirs: is the disk full?"
    fi
    rm -f "$theirs/.draft.$nonce" ".draft.$nonce"
}

# can_move ID: it has ended, or its supervisor is in its directory, or there is none.
can_move() {
    for second in 1 2 3 4 5; do
        supervisor_lives "$1" || return 0
        for file in "$1"/err.[0-9]*; do
            [ ! -e "$file" ] || return 0
        done
        sleep 1
    done
    return 1
}

# say_taken ID INSTALLATION: to be told as the end of the job, with what it printed up to now.
say_taken() {
    mkdir -p ../taken && belongs_to_this_user_alone ../taken || return 1
    {
        echo "stage claimed
by $2
exit format 1
exit how cancelled
exit reason the installation $2 has taken it over, and knows how it goes on
exit finished $(now)" && lengths "$1"
    } >"../taken/.draft.$nonce" && mv "../taken/.draft.$nonce" "../taken/$1" && on_disk "../taken/$1" ../taken .
}
