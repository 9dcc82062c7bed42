# From one line for each move to medians, their ratios, and what was aimed at.

def median: map(select(. != null)) | sort | if length == 0 then null
    elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def largest: map(select(. != null)) | max;
def helper_limit_kib: 65536;
def ratio($over): if . == null or $over == null or $over == 0 then null else . / $over end;
def less($other): if . == null or $other == null then null else . - $other end;

def writes: {p99_ms: (map(.p99_ms) | median), longest_ms: (map(.longest_ms) | median),
    gap_ms: (map(.gap_ms) | median)};

def row: {
    way: .[0].way, moves: length, arrived: (map(select(.converged)) | length),
    downtime_ms: (map(.downtime_ms) | median), pause_ms: (map(.pause_ms) | median),
    told_ms: (map(.told_ms) | median), mirror_ms: (map(.mirror_ms) | median),
    waited_ms: (map(.waited_ms) | median), migration_ms: (map(.migration_ms) | median),
    total_ms: (map(.total_ms) | median), total_from_ms: (map(.total_ms) | min),
    total_to_ms: (map(.total_ms) | max),
    behind_ms: (map(if .total_ms then .total_ms - .mirror_ms else null end) | median),
    committed_ms: (map(.committed_ms) | median),
    wire_mib: (map(.wire_bytes) | median | if . then . / 1048576 else null end),
    guest: (map(.guest) | writes), copying: (map(.copying) | writes),
    source_kib: (map(.source_kib) | largest), dest_kib: (map(.dest_kib) | largest),
    server_kib: (map(.server_kib) | largest), patience_s: .[0].patience_s
};

# What moving the bitmaps costs: how much longer it takes than the same without any.  On a busy machine it may come out
# below nothing, and a ratio to that says nothing.
def cost($row; $none; figure): if $row and $none then ($row | figure) | less($none | figure) else null end;
def costs($of; figure): cost($of.bitferry; $of.none; figure)
    | ratio(cost($of.native; $of.none; figure) | if . and . > 0 then . else null end);

def aims($of): [
    {what: "downtime, bitferry / none", below: 1.05,
     value: ($of.bitferry.downtime_ms | ratio($of.none.downtime_ms))},
    {what: "downtime, bitferry / lost (bitmaps that nobody carries)", below: 1.05,
     value: ($of.bitferry.downtime_ms | ratio($of.lost.downtime_ms))},
    {what: "guest paused, bitferry / none", below: 1.05,
     value: ($of.bitferry.pause_ms | ratio($of.none.pause_ms))},
    {what: "longest gap between writes, bitferry / none", below: null,
     value: ($of.bitferry.guest.gap_ms | ratio($of.none.guest.gap_ms))},
    {what: "longest gap while the mirror copies, bitferry / none", below: null,
     value: ($of.bitferry.copying.gap_ms | ratio($of.none.copying.gap_ms))},
    {what: "ms from the mirror's `ready` to `installed`, bitferry", below: null, value: $of.bitferry.waited_ms},
    {what: "ms that the migration takes longer than none, QEMU's own way", below: null,
     value: cost($of.native; $of.none; .migration_ms)},
    {what: "`installed`, bitferry / QEMU's own way", below: 1,
     value: ($of.bitferry.waited_ms | ratio(cost($of.native; $of.none; .migration_ms) | if . and . > 0 then . else null end))},
    {what: "what comes behind the mirror, both without none, bitferry / QEMU's own way", below: 1,
     value: costs($of; .behind_ms)},
    {what: "ms that the whole takes longer than none, bitferry", below: null, value: cost($of.bitferry; $of.none; .total_ms)},
    {what: "ms that the whole takes longer than none, QEMU's own way", below: null, value: cost($of.native; $of.none; .total_ms)},
    {what: "the first to the second", below: null, value: costs($of; .total_ms)},
    {what: "largest helper, MiB", below: (helper_limit_kib / 1024),
     value: ([$of.bitferry | .source_kib?, .dest_kib?, .server_kib?] | largest | if . then . / 1024 else null end)}
] | map(select(.value != null) | . + {reached: (if .below then .value < .below + 1e-9 else null end)});

{
    schema: 2, bench: "live", machine: $machine, rounds: $rounds,
    cases: (group_by([.link, .number]) | map({
        link: .[0].link, bitmaps: .[0].number,
        rows: (group_by(.way) | map(row))
    } | (.rows | map({key: .way, value: .}) | from_entries) as $of | . + {aims: aims($of)}))
}
