# The summary for people.

def right($width): tostring | " " * ([$width - length, 0] | max) + .;
def left($width): tostring | . + " " * ([$width - length, 0] | max);
def fixed($digits): if . == null then "" else pow(10; $digits) as $scale | (. * $scale | round) as $all |
    (if $all < 0 then "-" else "" end) + (($all | fabs) / $scale | floor | tostring) + if $digits == 0 then "" else
        "." + ((($all | fabs) % $scale | tostring) | "0" * ($digits - length) + .) end end;
def mib: if . == null then "" else . / 1024 | fixed(1) end;
def verdict: if . == null then "" elif . then "reached" else "MISSED" end;
def rank: {none: 0, lost: 1, bitferry: 2, native: 3, "native-postcopy": 4, "bitferry-status": 2.5, "bitferry-idle": 5, "native-idle": 6}[.];

def line:
    "  \(.way | left(16))" + if .arrived == 0 then "  not paused within \(.patience_s) s: given up" else
    "\(.downtime_ms | fixed(1) | right(8))\(.pause_ms | fixed(1) | right(9))\(.total_ms | fixed(0) | right(8))" +
    "\(.installed_ms | fixed(0) | right(11))\(.committed_ms | fixed(0) | right(11))" +
    "\(.wire_mib | fixed(1) | right(8))\(.p99_ms | fixed(1) | right(8))\(.longest_ms | fixed(1) | right(9))" +
    "  \([.source_kib, .dest_kib, .server_kib] | map(mib) | join(" ") | sub("^ *$"; ""))" end;

"\(.machine.date), \(.machine.cpus) x \(.machine.cpu), Linux \(.machine.kernel), load \(.machine.load)",
"\(.machine.qemu); medians of \(.rounds) rounds; times in ms",
(.cases[] |
    "\nOver \(if .link == "unix" then "Unix sockets" else "1 Gbit/s" end), bitmaps: \(.bitmaps), of 16.7 M bits, every second one dirty",
    "  way             downtime    pause   total  installed  committed     MiB     p99  longest  helpers, MiB",
    (.rows | sort_by(.way | rank)[] | line),
    (.aims[] | "    \(.what): \(.value | fixed(2))" +
        if .below then " (aim: at most \(.below | fixed(2) | sub("\\.?0+$"; ""))) \(.reached | verdict)" else "" end)),
"\nDowntime and total as QEMU reports them; pause from the source's STOP to the destination's RESUME; installed",
"from the mirror's being ready; committed from the migration's end; p99 and longest of the guest's own writes",
"through all of it.  Helpers: bitferry-source, bitferry-dest, nbdkit."
