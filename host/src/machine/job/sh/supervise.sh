# The supervisor of one job on a host: `sh THIS supervise SHELL JOB`, in a session of its own, where the program is to
# start. Its standard input holds all variables, a line `NAME=VALUE` each with \\ and \n in the value, then the line `end`.
#
#   supervisor --+-- leader, in a session of its own: its number is that of the program's group, and is nobody else's
#                |     +-- the program
#                +-- feed: sends the program its input
#                +-- keep, twice: keeps what it prints
#                +-- who waits for an event, and those that make one after some time
#
# Descriptor 9 is the bell: a line in it is an event. 8 is where the one that was waited for lies. 6 wakes the feeder.
#
# Once the program's output is kept, all that has to do with the directory of the job is in it, and names nothing by a path
# that leads there. So the directory can be moved from then on.

script=$0

supervise() {
    shell=$1 job=$2 id=${2##*/} told=
    trap 'told=yes; echo look >&9' TERM
    # All that waits here ignores it as well. The program does not.
    trap '' HUP
    trap : INT QUIT
    values=$(cat)
    read_spec
    set --
    while IFS= read -r line; do
        case $line in
        'argv '*)
            word=$(printf '%b.' "${line#argv }")
            set -- "$@" "${word%.}"
            ;;
        esac
    done <"$job/spec"
    check_values
    # Everything that can go wrong by itself goes wrong before the claim.
    find_splitter || refuse 'this host has neither setsid nor perl nor python3, so nothing can run there on its own'
    claim
    on_disk "$job/claim" "$job" "${job%/*}"
    # Whoever asked may be gone by now, and the job is begun all the same.
    trap '' PIPE
    echo claimed
    trap - PIPE
    exec </dev/null >/dev/null 2>&1
    at=$(now)
    run "$@"
}

# Whoever makes the file first has the job, and it says from the first moment who that is.
claim() {
    draft=$job/claim.$$
    if ! { write_this >"$draft" && on_disk "$draft"; }; then
        rm -f "$draft"
        ! is_full "$job" 0 || wait_for_room "it cannot be written in $job: the disk is full"
        refuse "it cannot write $draft: may this user write there?"
    fi
    ln "$draft" "$job/claim" 2>/dev/null
    claimed=$?
    rm -f "$draft"
    [ "$claimed" -ne 0 ] || return 0
    [ -e "$job/claim" ] || refuse "there cannot be a file $job/claim"
    echo claimed
    exit 0
}

refuse() {
    printf 'refused %s\n' "$1"
    exit 1
}

# It is not taken now, and can be later.
wait_for_room() {
    printf 'full %s\n' "$1"
    exit 1
}

# Sets what `spec` holds, apart from arguments.
read_spec() {
    sized "$job/spec" && [ "$size" -le 1048576 ] || refuse 'its spec cannot be read'
    [ "$(tr -cd '\000' <"$job/spec" | wc -c)" -eq 0 ] || refuse 'its spec is not text'
    [ "$(tail -c 1 "$job/spec" | wc -l)" -eq 1 ] || refuse 'its spec is cut off'
    ! grep -qvE '^[a-z-]+ ([^\\]|\\\\|\\n)*$' "$job/spec" || refuse 'a line of its spec is not as it is written'
    format='' spec_id='' deadline='' output='' names='' program=''
    while IFS= read -r line; do
        value=${line#* }
        case ${line%% *} in
        format) format=${format:-$value} ;;
        id) spec_id=${spec_id:-$value} ;;
        deadline) deadline=${deadline:-$value} ;;
        output) output=${output:-$value} ;;
        variable) names=$names$value$newline ;;
        argv) program=${program:-$value} ;;
        esac
    done <"$job/spec"
    [ "$format" = 1 ] || refuse 'a berth of another version wrote its spec'
    [ "$spec_id" = "$id" ] || refuse 'its spec is that of another job'
    is_number "$deadline" && is_number "$output" || refuse 'its spec has no deadline or no bound of its output'
    case $program in
    /*) ;;
    *) refuse 'its spec names no program by an absolute path' ;;
    esac
}

# All variables, whole: who starts this may be killed while it writes them.
check_values() {
    case $newline$values in
    *"${newline}end") values=${values%end} ;;
    *) refuse 'its variables are not whole' ;;
    esac
    ! printf %s "$values" | grep -qvE '^[A-Za-z_][A-Za-z0-9_]*=([^\\]|\\\\|\\n)*$' || refuse 'a variable is not as it is written'
    [ "$(printf %s "$values" | sed 's/=.*//')$newline" = "${names:-$newline}" ] || refuse 'its variables are not those that its spec names'
}

# run PROGRAM...: to its end.
run() {
    how='' reason='' status='' signal='' ended='' gone='' kept=0 draining='' listener='' leader=''
    if ! prepare "$@"; then
        say_end "$job" "$how" "$reason" '' '' "$at"
    else
        watch
        finish
    fi
    rm -f "$job/bell" "$job/feed" "$job/in.pipe" "$job/out.pipe" "$job/err.pipe"
    # This ends this group, with all that only waits.
    kill -s KILL 0
}

# Starts everything. The program begins when both its outputs are kept, so that it is known before it runs.
prepare() {
    how=failed
    for pipe in bell feed event in.pipe out.pipe err.pipe; do
        reason="it was not started: a FIFO cannot be made in $job"
        rm -f "$job/$pipe"
        mkfifo "$job/$pipe" 2>/dev/null || return 1
    done
    exec 9<>"$job/bell" 8<>"$job/event" 6<>"$job/feed"
    # Where somebody removes the directory just now these are files of another kind, which never wait.
    [ -p "$job/bell" ] && [ -p "$job/event" ] && [ -p "$job/feed" ] || return 1
    rm -f "$job/event"
    reason="it was not started: $1: there is no such program, or it cannot be run"
    [ -f "$1" ] && [ -x "$1" ] || return 1
    if [ -e "$job/cancel" ]; then
        how=cancelled reason='it was cancelled before it was started'
        return 1
    fi
    feed &
    helper=$!
    printf %s "$values" | {
        login_locale
        umask "$login_umask"
        exec 6<&- 8<&-
        apart "$shell" "$script" lead "$job" "$id" "$@"
    } &
    leader=$!
    values=
    if ! write_pid; then
        reason='it was not started: which processes it has cannot be written, the disk may be full'
        kill -s KILL "$leader"
        return 1
    fi
    reason="it was not started: $job cannot be entered"
    if ! cd "$job"; then
        kill -s KILL "$leader"
        return 1
    fi
    job=.
    keep out &
    keep err &
    after $(((deadline + 999) / 1000)) deadline &
    # Whatever went wrong with the bell, this is seen some time.
    while sleep 20; do echo look >&9; done &
    how='' reason=''
}

write_pid() {
    {
        write_this && printf 'at %s\n' "$at" &&
            look_at "$helper" && printf 'helper %s\nhelper-start %s\n' "$helper" "$started" &&
            look_at "$leader" && printf 'group %s\ngroup-start %s\n' "$leader" "$started"
    } >"$job/pid.draft" && mv "$job/pid.draft" "$job/pid"
}

# after SECONDS EVENT
after() { sleep "$1" && echo "$2" >&9; }

# Until no process of the job is left, as far as it is known, and all that it printed is kept.
watch() {
    while [ "$draining" != over ]; do
        wait_for_event
        case $event in
        'ended '*) program_ended "${event#ended }" ;;
        gone) leader_has_gone ;;
        kept) kept=$((kept + 1)) ;;
        'broken '*) end_group failed "what it printed could not be kept: ${event#broken }" ;;
        deadline) end_group timed-out '' ;;
        kill) kill_group ;;
        drained) draining=over ;;
        esac
        if [ -n "$told" ]; then end_group interrupted 'its supervisor was told to end'; fi
        if [ -e "$job/cancel" ]; then end_group cancelled ''; fi
        look_for_leader
        if [ -n "$ended" ] && [ -z "$draining" ]; then drain_if_alone; fi
        if [ -n "$draining" ] && [ "$kept" -eq 2 ]; then draining=over; fi
    done
}

# Only `wait` is sure to return when a signal comes, so another process reads.
wait_for_event() {
    event=
    while [ -z "$event" ]; do
        if [ -z "$listener" ]; then
            { IFS= read -r line <&9 && printf '%s\n' "${line:-look}" >&8; } &
            listener=$!
        fi
        wait "$listener"
        waited=$?
        if [ "$waited" -eq 0 ] || [ "$waited" -eq 127 ] || ! kill -s 0 "$listener" 2>/dev/null; then
            listener=
            take_event
        fi
    done
}

# A signal may have hidden how the reader ended, and somebody may have ended it: then nothing is there.
take_event() {
    echo none >&8
    IFS= read -r event <&8
    case $event in
    none) event='' ;;
    *) IFS= read -r line <&8 ;;
    esac
}

# The program ended, and its leader waits or ends what is left.
program_ended() {
    [ -z "$ended" ] && is_number "$1" || return 0
    ended=yes
    if [ "$1" -gt 128 ] && [ "$1" -le 192 ]; then
        signal=$(($1 - 128))
    else
        status=$1
    fi
}

# Its last word may still be in the bell, so this comes after it.
look_for_leader() {
    [ -z "$ended$gone" ] && ! look_at "$leader" || return 0
    gone=yes
    echo gone >&9
}

# The group was killed whole, by what is in it or by others, so nobody told how the program ended.
leader_has_gone() {
    [ -z "$ended" ] || return 0
    wait "$leader"
    program_ended $?
}

# end_group HOW REASON: asks the program and all in its group to end. What came first counts.
end_group() {
    [ -z "$how$ended" ] || return 0
    how=$1 reason=$2
    kill -s TERM -- "-$leader" 2>/dev/null
    {
        for second in 1 2 3 4 5; do
            sleep 1
            echo look >&9
        done
        echo kill >&9
    } &
}

# Nobody else can have the number of the group: what leads it is a child of this process that was not waited for.
kill_group() {
    kill -s KILL -- "-$leader" 2>/dev/null
    [ -n "$ended" ] || program_ended 137
    drain
}

drain_if_alone() {
    if [ -z "$how" ]; then
        kill_group
    elif ! group_has_others "$leader"; then
        kill_group
    fi
}

# What left the group is ended where its mark is seen. What is in the pipes is read, but not for long: what could not be
# ended may hold them.
drain() {
    [ -z "$draining" ] || return 0
    draining=yes
    end_marked "BERTH_JOB=$id"
    after 2 drained &
}

finish() {
    kill -s KILL -- "-$leader" 2>/dev/null
    # Those that kept and fed, so that nothing is written after the end.
    trap '' TERM
    kill -s TERM 0
    # Others may have put more there than it keeps, and nobody waits for that.
    count=0
    for file in "$job"/out.* "$job"/err.*; do
        count=$((count + 1))
        [ "$count" -le 64 ] || break
        [ ! -f "$file" ] || on_disk "$file"
    done
    say_end "$job" "${how:-exited}" "$reason" "$status" "$signal" "$at"
}

# Sends the program its input: `in.N` is what comes from its byte N on, and one of no bytes is the end.
feed() {
    cd "$job" && job=. || return
    exec 7>"$job/in.pipe"
    sent=0
    while :; do
        if sized "$job/in.$sent"; then
            [ "$size" -gt 0 ] && cat "$job/in.$sent" >&7 2>/dev/null || break
            sent=$((sent + size))
            make_regular "$job/sent"
            printf '%020d\n' "$sent" >"$job/sent"
        else
            IFS= read -r line <&6
        fi
    done
    # It has all, or does not read on: that is up to the program.
    exec 7>&-
    while :; do IFS= read -r line <&6; done
}

# keep NAME: keeps what comes from NAME.pipe in segments NAME.START; the oldest go when there is too much.
keep() {
    exec <"$job/$1.pipe"
    name=$1 start=0 length=0 full=$((output / 8))
    [ "$full" -ge 4096 ] || full=4096
    block=65536
    [ "$full" -ge "$block" ] || block=4096
    set -- 0
    while :; do
        if [ "$length" -ge "$full" ]; then
            start=$((start + length)) length=0
            set -- "$@" "$start"
        fi
        make_regular "$job/$name.$start"
        # It takes no more from the pipe than it keeps.
        if ! why=$(dd bs="$block" count=$(((full - length + block - 1) / block)) 2>&1 >>"$job/$name.$start"); then
            broken "$(printf '%s\n' "$why" | grep -v -e ' records ' -e warning | head -n 1)"
            break
        fi
        before=$length
        if ! sized "$job/$name.$start"; then
            broken 'it was removed'
            break
        fi
        length=$size
        [ "$length" -gt "$before" ] || break
        while [ $((start + length - $1)) -gt "$output" ] && [ "$1" != "$start" ]; do
            rm -f "$job/$name.$1"
            shift
        done
    done
    echo kept >&9
}

broken() {
    printf 'broken %s\n' "$(plain_line "${1:-what keeps it was ended}")" >&9
    # The program need not wait for somebody to read.
    cat >/dev/null
}

# lead JOB ID PROGRAM...: the process whose number the program's group has. It tells how the program ended, and then ends
# all that is left of the group, itself included. Where the group was asked to end, the supervisor does so.
lead() {
    job=$1 id=$2
    shift 2
    told=
    trap 'told=yes' TERM
    trap : HUP INT QUIT
    (become "$id" "$@")
    echo "ended $?" >&9
    [ -z "$told" ] || kill -s STOP $$
    kill -s KILL 0
}

# become ID PROGRAM...: a variable that the program gets may have any name, so after the first one no other is used here.
become() {
    exec 5<&0 <"$job/in.pipe" >"$job/out.pipe" 2>"$job/err.pipe"
    login_locale
    umask "$login_umask"
    while IFS= read -r berth__line <&5; do
        berth__line=$(LC_ALL=C && printf '%b.' "$berth__line")
        # shellcheck disable=SC2163 # the value holds the name
        export "${berth__line%.}"
    done
    unset BERTH_SUPERVISOR
    export BERTH_JOB="$1"
    shift
    exec "$@" 5<&- 9>&-
}

mode=$1
shift
"$mode" "$@"
