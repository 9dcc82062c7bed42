# shellcheck shell=bash
# One move of the bench's guest from host to host, timed.  Behind hosts.sh.
#
# The orchestrator is in here once more, next to deploy/orchestrator/move-vm: what is in the pause waits
# for no process of the shell and no poll, so the pause is QEMU's own.

declare -A events=()

# tell HOST COMMAND [ARGUMENTS]: what comes back is in $answer
tell() {
    printf '{"execute":"%s","arguments":%s}\n' "$2" "${3:-{\}}" >&"${qmp_to[$1]}"
    while read -r -t 60 answer <&"${qmp_from[$1]}"; do
        case $answer in
        '{"return"'*) return ;;
        '{"error"'*) die "$1: $2 ${3:-}: $answer" ;;
        *) events[$1]+=$answer ;;
        esac
    done
    die "$1: no answer to $2"
}

# happens HOST SECONDS EVENT [DATA]: wait for it; it may have come already
happens() {
    local wanted="\"event\": \"$3\"${4:+, \"data\": {$4}" line end=$((SECONDS + $2))
    until [[ ${events[$1]} == *"$wanted"* ]]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        read -r -t 1 line <&"${qmp_from[$1]}" || continue
        events[$1]+=$line
    done
}

# QEMU tells of each look for dirty memory, and where it does not come to an end it looks thousands of times a
# second: then it is asked, not listened to.
is_told() {
    [[ $label = "$way" && $way != native ]]
}

# migration_says HOST SECONDS STATUS
migration_says() {
    local end=$((SECONDS + $2))
    if is_told; then
        happens "$1" "$2" MIGRATION "\"status\": \"$3\""
        return
    fi
    until tell "$1" query-migrate && [[ $answer == *"\"status\": \"$3\""* ]]; do
        [ "$SECONDS" -lt "$end" ] || return 1
    done
}

now_us() {
    printf -v "$1" '%s' "${EPOCHREALTIME/[.,]/}"
}

# make_disk FILE: with data behind the part that the guest writes to.  A mirror asks only whether it is zero.
make_disk() {
    local offset commands=()
    qemu-img create -q -f qcow2 "$1" "$disk"
    for ((offset = 0; offset < data_mib; offset += 64)); do
        commands+=(-c "write -P 165 $((1024 + offset))M $((data_mib - offset < 64 ? data_mib - offset : 64))M")
    done
    [ "$data_mib" = 0 ] || qemu-io -f qcow2 "${commands[@]}" "$1" >/dev/null
}

# bits_file NUMBER: a carrier with that many bitmaps, every second bit dirty
bits_file() {
    local file=$scratch/bits.$1.qcow2 i arguments=()
    if [ ! -e "$file" ] && [ "$1" -gt 0 ]; then
        for ((i = 0; i < $1; i++)); do
            arguments+=("b$i" 64k recording alternate)
        done
        "$BF_BUILD/test/carrier-make" carrier "$file" "$disk" "${arguments[@]}" >/dev/null
    fi
    printf '%s' "$file"
}

# give_bitmaps HOST NUMBER: to the guest's disk, in place of what it has
give_bitmaps() {
    local name i
    for name in $(qmp "$1" query-named-block-nodes '{"flat":true}' |
        jq -r '.[] | select(."node-name"=="vda") | ."dirty-bitmaps"[]? | .name // empty'); do
        tell "$1" block-dirty-bitmap-remove "{\"node\":\"vda\",\"name\":\"$name\"}"
    done
    [ "$2" -gt 0 ] || return 0
    tell "$1" blockdev-add "{\"driver\":\"qcow2\",\"node-name\":\"bits\",\"read-only\":true,
        \"file\":{\"driver\":\"file\",\"filename\":\"$(bits_file "$2")\"}}"
    for ((i = 0; i < $2; i++)); do
        tell "$1" transaction "{\"actions\":[{\"type\":\"block-dirty-bitmap-add\",\"data\":{\"node\":\"vda\",
            \"name\":\"b$i\",\"granularity\":65536,\"persistent\":true}},{\"type\":\"block-dirty-bitmap-merge\",
            \"data\":{\"node\":\"vda\",\"target\":\"b$i\",\"bitmaps\":[{\"node\":\"bits\",\"name\":\"b$i\"}]}}]}"
    done
    tell "$1" blockdev-del '{"node-name":"bits"}'
}

# ---- storage and memory, as any orchestrator does it ----

prepare_arrival() {
    qemu-img create -q -f qcow2 "$scratch/$to.qcow2" "$disk"
    arrive_guest "$to" "$scratch/$to.qcow2"
    capability_set "$to"
    tell "$to" nbd-server-start "$(jq -nc --argjson a "$(server_of "$to")" '{addr:{type:$a.type,data:($a|del(.type))}}')"
    tell "$to" block-export-add \
        '{"type":"nbd","id":"copy","node-name":"vda","name":"vda","writable":true}'
    tell "$to" migrate-incoming "{\"uri\":\"$(ram_uri "$to")\"}"
}

capability_set() {
    local host=$1 mapping native=false told=true
    is_told || told=false
    case $way in
    native*)
        native=true
        mapping=$(seq 0 $((number - 1)) | jq -sc '{"block-bitmap-mapping":[{"node-name":"vda",alias:"vda",
            bitmaps:[.[] | {name:"b\(.)",alias:"b\(.)"}]}]}')
        tell "$host" migrate-set-parameters "$mapping"
        ;;
    esac
    # A QEMU that was gone to has the capabilities of that move still.
    tell "$host" migrate-set-capabilities "{\"capabilities\":[{\"capability\":\"events\",\"state\":$told},
        {\"capability\":\"pause-before-switchover\",\"state\":true},
        {\"capability\":\"dirty-bitmaps\",\"state\":$native}]}"
    tell "$host" migrate-set-parameters "$(limits)"
}

# By default QEMU stops the guest when what is left of its memory takes 300 ms: it would be the memory of this
# small guest that is measured.  Idle ones show what the defaults lead to.
limits() {
    if [ "$label" = "$way" ]; then
        printf '{"downtime-limit":10,"max-bandwidth":4000000000}'
    else
        printf '{"downtime-limit":300,"max-bandwidth":134217728}'
    fi
}

# An image without backing file: `top` is all of it, and spares the mirror zeroing a disk that is new.
# The mirror is ready once there is a moment with nothing left to copy.  With the default of 64 KiB a block of this
# guest's is sixteen, and over the link that moment is luck: up to ten seconds in a way, and none in the next.
mirror_disk() {
    tell "$from" blockdev-add "$mirror_target"
    tell "$from" blockdev-mirror \
        '{"job-id":"copy","device":"vda","target":"copy","sync":"top","copy-mode":"background","granularity":4096}'
    happens "$from" 300 BLOCK_JOB_READY || die "the mirror is not ready"
}

# What the guest's writes were like while the mirror copied.  Nobody waits for the answer: it is read when all is over.
ask_for_lap() {
    printf 'lap\n' >&"${console_to[$from]}"
}

# It is not there where the guest was paused in the middle of it.
lap_heard() (
    silence=5
    heard "$from" '^guest: lap writes=.* gap_us=[0-9]' 2>/dev/null
)

# QEMU's own way ends only when it is told to take its time.  It is told when the memory has been sent once;
# sooner it would stop the guest for all of it.  (QEMU 10 looks once only while the bitmaps hold it up.)
raise_limit() {
    local looks=0 end=$((SECONDS + 3))
    while [ "${looks%%,*}" -lt 2 ] && [ "$SECONDS" -lt "$end" ]; do
        tell "$from" query-migrate
        looks=${answer#*'"dirty-sync-count": '}
        [ "$looks" != "$answer" ] || looks=0 # it is being set up
        [[ $answer != *'"pre-switchover"'* ]] || return 0
    done
    tell "$from" migrate-set-parameters '{"downtime-limit":60000}'
}

# True when the guest is paused: all but the pause is over.
migrate_until_paused() {
    # Bash reads an answer byte for byte, a system call each, and what QEMU has told meanwhile comes before it:
    # 3 ms for the ends of ten exports.  That is not to be read in the pause.
    tell "$to" query-status
    tell "$from" migrate "{\"uri\":\"$ram\"}"
    case $label in
    native) raise_limit ;;
    native-postcopy) tell "$from" migrate-start-postcopy ;;
    esac
    migration_says "$from" "$patience" pre-switchover
}

end_pause() {
    tell "$from" block-job-cancel '{"device":"copy"}'
    happens "$from" 60 BLOCK_JOB_COMPLETED || die "the mirror does not end"
    tell "$from" blockdev-del '{"node-name":"copy"}'
    tell "$to" block-export-del '{"id":"copy","mode":"hard"}' # it may not have heard that nobody is there
    happens "$to" 60 BLOCK_EXPORT_DELETED || die "the export does not end"
    tell "$from" migrate-continue '{"state":"pre-switchover"}'
    migration_says "$from" 120 completed || die "the migration does not end"
    happens "$to" 120 RESUME || die "the guest does not run on"
    tell "$to" nbd-server-stop
}

# event_us HOST EVENT: when it was, by QEMU's clock
event_us() {
    local before=${events[$1]%%"\"event\": \"$2\""*} seconds
    before=${before##*'"seconds": '}
    seconds=${before%%,*}
    before=${before##*'"microseconds": '}
    printf '%s' $((seconds * 1000000 + 10#${before%%\}*}))
}

# ---- bitferry ----

begin_bitferry() {
    local pid options=()
    [ "$way" != bitferry-status ] || options=(--read block-status)
    for pid in "${daemon[source-$from]}" "${daemon[dest-$to]}"; do
        echo 5 >"/proc/$pid/clear_refs" # the peak of this move, not of all
    done
    arriving=$(order_at dest "$to" expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/$to.qmp" \
        --disk vda=vda)
    leaving=$(order_at source "$from" start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/$from.qmp" \
        --peer "${address[$to]}:${port_of[$to]}" --disk vda=vda "${options[@]}")
}

# peak_kib PID
peak_kib() {
    sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

server_peak() {
    local pid
    for pid in $(pgrep -P "${daemon[source-$from]}"); do
        peak_kib "$pid"
    done | sort -n | tail -n 1
}

await_installed() {
    order_at source "$from" wait --quiet --for installed --timeout 120 "$leaving" >&2 ||
        die "not installed: $(order_at source "$from" status --json "$leaving")"
}

await_committed() {
    order_at dest "$to" wait --quiet --for committed --timeout 120 "$arriving" >&2 ||
        die "not committed: $(order_at dest "$to" status --json "$arriving")"
    now_us committed_us
    order_at source "$from" wait --quiet --for committed --timeout 120 "$leaving" >&2 ||
        die "not committed: $(order_at source "$from" status --json "$leaving")"
}

# ---- the move ----

# What has won nothing by being fast: every bitmap must be there, with all its bits.
prove() {
    local wanted=0 found
    case $way in
    native* | bitferry*) wanted=$number ;;
    esac
    wait_for 60 have_arrived "$wanted" # in QEMU's post-copy that is later than the guest
}

have_arrived() {
    [ "$(qmp "$to" query-named-block-nodes '{"flat":true}' | jq --argjson least $((disk_bytes / 2)) \
        '[.[] | select(."node-name"=="vda") | ."dirty-bitmaps"[]? |
          select(.name and .count >= $least and .recording and .persistent)] | length')" = "$1" ]
}

# bench_move WAY FROM TO NUMBER: appends a line to $results.  Ways: none, lost, native, native-postcopy, bitferry, bitferry-status;
# with -idle behind, the guest writes nothing.  A move that does not come to its pause within $patience
# is given up: the guest stays, and false is returned.
bench_move() {
    local way=${1%-idle} from=$2 to=$3 number=$4 label=$1
    local moved heard lap begun_us mirror_us ready_us installed_us paused_us ended_us committed_us='' served='' wire mirror_target ram
    case $way in
    none) give_bitmaps "$from" 0 ;;
    *) give_bitmaps "$from" "$number" ;;
    esac
    prepare_arrival
    capability_set "$from"
    mirror_target=$(jq -nc --argjson server "$(server_of "$to")" \
        '{driver:"nbd","node-name":"copy",export:"vda",server:$server}')
    ram=$(ram_uri "$to")
    [ "$label" != "$way" ] || guest "$from" start "$RANDOM" "$rate" 24 >/dev/null
    guest "$from" report >/dev/null
    events[$from]='' events[$to]=''
    wire=$(wire_bytes)
    now_us begun_us
    [[ $way != bitferry* ]] || begin_bitferry
    now_us mirror_us
    mirror_disk
    ready_us=$(event_us "$from" BLOCK_JOB_READY)
    ask_for_lap
    if [[ $way = bitferry* ]]; then
        await_installed
        now_us installed_us
        note_moments
        served=$(server_peak)
    fi
    now_us paused_us
    if ! migrate_until_paused; then
        give_up_move
        return 1
    fi
    end_pause
    now_us ended_us
    [[ $way != bitferry* ]] || await_committed
    tell "$from" query-migrate
    moved=$answer
    prove
    lap=$(lap_heard) || lap=''
    heard=$(answers "$to") || heard=''
    note_move
    if [ -n "$heard" ] && stops "$to"; then
        end_qemu "$from"
    else
        boot_again
        return 1
    fi
}

# answers HOST: what the guest reports, if it runs
answers() (
    silence=10
    guest "$1" report 2>/dev/null
)

stops() (
    silence=10
    guest "$1" stop >/dev/null 2>&1
)

# Without KVM, QEMU's look for dirty memory misses a page once in a great while, and while its own way does not
# come to an end it looks thousands of times a second: the guest that arrives may be broken.
boot_again() {
    local host
    say "the guest has not survived $label; another one boots"
    for host in "$to" "$from"; do
        if kill -0 "${qemu_pid[$host]}" 2>/dev/null; then
            end_qemu "$host" KILL
        else # "Trying to execute code outside RAM or ROM" is the end of QEMU too
            say "its QEMU has ended by itself: $(tail -n 1 "$scratch/$host.stderr")"
        fi
    done
    make_disk "$scratch/$from.qcow2"
    begin_guest "$from" "$scratch/$from.qcow2"
}

# moment US WHAT: a line as those of the daemons
moment() {
    printf '%(%H:%M:%S)T.%06d bench: %s\n' "$(($1 / 1000000))" "$(($1 % 1000000))" "$2"
}

note_moments() {
    [ -n "$trace" ] || return 0
    moment "$ready_us" "the mirror is ready, round $round" >>"$scratch/moments"
    moment "$installed_us" installed >>"$scratch/moments"
}

note_move() {
    local after resumed_us
    after=$(wire_bytes)
    resumed_us=$(event_us "$to" RESUME)
    jq -c --arg way "$label" --arg link "$link" --argjson number "$number" --argjson round "$round" \
        --argjson data_mib "$data_mib" --arg guest "$heard" --arg lap "$lap" \
        --argjson mirror_us $((ready_us - mirror_us)) --argjson total_us $((resumed_us - begun_us)) \
        --argjson pause_us $((resumed_us - $(event_us "$from" STOP))) \
        --arg told_us "$([ -z "${installed_us:-}" ] || echo $((mirror_us - begun_us)))" \
        --arg waited_us "$([ -z "${installed_us:-}" ] || echo $((installed_us - ready_us)))" \
        --arg committed_us "$([ -z "$committed_us" ] || echo $((committed_us - ended_us)))" \
        --arg wire_bytes "$([ -z "$after" ] || echo $((after - wire)))" \
        --arg source_kib "$([[ $way != bitferry* ]] || peak_kib "${daemon[source-$from]}")" \
        --arg dest_kib "$([[ $way != bitferry* ]] || peak_kib "${daemon[dest-$to]}")" \
        --arg server_kib "$served" -f "$here/live/line.jq" <<<"$moved" >>"$results"
}

# It runs on where it was; the QEMU that waited ends.
give_up_move() {
    jq -nc --arg way "$label" --arg link "$link" --argjson number "$number" --argjson round "$round" \
        --argjson patience "$patience" '{$way, $link, $number, $round, converged: false, patience_s: $patience}' >>"$results"
    tell "$from" migrate_cancel
    migration_says "$from" 60 cancelled || die "the migration does not end"
    tell "$from" block-job-cancel '{"device":"copy"}'
    happens "$from" 60 BLOCK_JOB_COMPLETED || die "the mirror does not end"
    tell "$from" blockdev-del '{"node-name":"copy"}'
    end_qemu "$to" KILL
}
