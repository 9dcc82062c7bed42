# The summary for people.

def right($width): tostring | " " * ([$width - length, 0] | max) + .;
def left($width): tostring | . + " " * ([$width - length, 0] | max);
def fixed($digits): if . == null then "" else pow(10; $digits) as $scale | (. * $scale | round) as $all |
    (if $all < 0 then "-" else "" end) + (($all | fabs) / $scale | floor | tostring) + if $digits == 0 then "" else
        "." + ((($all | fabs) % $scale | tostring) | "0" * ($digits - length) + .) end end;
def mib: if . == null then "" else . / 1024 | fixed(1) end;
def verdict: if . == null then "" elif . then "reached" else "MISSED" end;
def rank: {none: 0, lost: 1, bitferry: 2, native: 3, "native-postcopy": 4, "bitferry-status": 2.5, "bitferry-idle": 5, "native-idle": 6}[.];


def over: "  not paused within \(.patience_s) s: given up";

def times: "  \(.way | left(16))" + if .arrived == 0 then over else
    "\(.downtime_ms | fixed(1) | right(8))\(.pause_ms | fixed(1) | right(9))\(.mirror_ms | fixed(0) | right(8))" +
    "\(.waited_ms | fixed(0) | right(8))\(.migration_ms | fixed(0) | right(11))" +
    "\(.total_ms | fixed(0) | right(8))\(.total_from_ms | fixed(0) | right(8)) -\(.total_to_ms | fixed(0) | right(6))" +
    "\(.committed_ms | fixed(0) | right(11))\(.wire_mib | fixed(1) | right(8))" +
    "  \([.source_kib, .dest_kib, .server_kib] | map(mib) | join(" ") | sub("^ *$"; ""))" end;

def writes: "\(.p99_ms | fixed(1) | right(8))\(.longest_ms | fixed(1) | right(9))\(.gap_ms | fixed(1) | right(8))";

"\(.machine.date), \(.machine.cpus) x \(.machine.cpu), Linux \(.machine.kernel), load \(.machine.load)",
"\(.machine.qemu); medians of \(.rounds) rounds; times in ms; a disk with \(.machine.data_mib) MiB of data",
(.cases[] |
    "\nOver \(if .link == "unix" then "Unix sockets" else "1 Gbit/s" end), bitmaps: \(.bitmaps), of 16.7 M bits, every second one dirty",
    "  way             downtime    pause  mirror  waited  migration   total      (all totals)  committed     MiB  helpers, MiB",
    (.rows | sort_by(.way | rank)[] | times),
    "  the guest's writes            p99  longest     gap   while the mirror copies: p99  longest     gap",
    (.rows | sort_by(.way | rank)[] | select(.arrived > 0) |
        "  \(.way | left(24))\(.guest | writes)\("" | left(22))\(.copying | writes)"),
    (.aims[] | "    \(.what): \(.value | fixed(2))" +
        if .below then " (aim: at most \(.below | fixed(2) | sub("\\.?0+$"; ""))) \(.reached | verdict)" else "" end)),
"\nDowntime and migration as QEMU reports them; pause from the source's STOP to the destination's RESUME; mirror from its",
"start until it is ready; waited from then to `installed`; total from before anybody is told of the move (bitferry's two",
"commands and the mirror's start come first) until the guest runs at the destination; committed from the migration's end.",
"Gap: the longest time between the ends of two of the guest's writes.  Helpers: bitferry-source, bitferry-dest, nbdkit."
