# From one line for each move to medians, their ratios, and what was aimed at.

def median: map(select(. != null)) | sort | if length == 0 then null
    elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def largest: map(select(. != null)) | max;
def helper_limit_kib: 65536;
def ratio($over): if . == null or $over == null or $over == 0 then null else . / $over end;

def row: {
    way: .[0].way, moves: length, arrived: (map(select(.converged)) | length),
    downtime_ms: (map(.downtime_ms) | median), pause_ms: (map(.pause_us) | median | if . then . / 1000 else null end),
    total_ms: (map(.total_ms) | median), installed_ms: (map(.installed_ms) | median),
    committed_ms: (map(.committed_ms) | median),
    wire_mib: (map(.wire_bytes) | median | if . then . / 1048576 else null end),
    p99_ms: (map(.p99_us) | median | if . then . / 1000 else null end),
    longest_ms: (map(.longest_us) | median | if . then . / 1000 else null end),
    source_kib: (map(.source_kib) | largest), dest_kib: (map(.dest_kib) | largest),
    server_kib: (map(.server_kib) | largest), patience_s: .[0].patience_s
};

# QEMU's own way needs this much longer in all than the same move without bitmaps.  On a busy machine it may come
# out shorter, which says nothing.
def native_cost($of): if $of.native and $of.none then $of.native.total_ms - $of.none.total_ms else null end
    | if . and . > 0 then . else null end;

def aims($of): [
    {what: "downtime, bitferry / none", below: 1.05,
     value: ($of.bitferry.downtime_ms | ratio($of.none.downtime_ms))},
    {what: "downtime, bitferry / lost (bitmaps that nobody carries)", below: 1.05,
     value: ($of.bitferry.downtime_ms | ratio($of.lost.downtime_ms))},
    {what: "guest paused, bitferry / none", below: 1.05,
     value: ($of.bitferry.pause_ms | ratio($of.none.pause_ms))},
    {what: "longest write, bitferry / none", below: null,
     value: ($of.bitferry.longest_ms | ratio($of.none.longest_ms))},
    {what: "ms to installed / ms that QEMU's own way takes longer than none", below: 1,
     value: ($of.bitferry.installed_ms | ratio(native_cost($of)))},
    {what: "largest helper, MiB", below: (helper_limit_kib / 1024),
     value: ([$of.bitferry | .source_kib?, .dest_kib?, .server_kib?] | largest | if . then . / 1024 else null end)}
] | map(select(.value != null) | . + {reached: (if .below then .value < .below + 1e-9 else null end)});

{
    schema: 1, bench: "live", machine: $machine, rounds: $rounds,
    cases: (group_by([.link, .number]) | map({
        link: .[0].link, bitmaps: .[0].number,
        rows: (group_by(.way) | map(row))
    } | (.rows | map({key: .way, value: .}) | from_entries) as $of | . + {aims: aims($of)}))
}
