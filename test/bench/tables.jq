# The summary for people.

def right($width): tostring | " " * ([$width - length, 0] | max) + .;
def left($width): tostring | . + " " * ([$width - length, 0] | max);
def fixed($digits): pow(10; $digits) as $scale | (. * $scale | round) as $all |
    ($all / $scale | floor | tostring) +
    if $digits == 0 then "" else
        "." + (($all % $scale | tostring) | "0" * ($digits - length) + .) end;
def verdict: if . == null then "" elif . then "reached" else "MISSED" end;

def race_line:
    "  \(.pattern | left(10))\(.ours.median_ms | fixed(1) | right(9))" +
    "\(.theirs.median_ms | fixed(1) | right(9))\(.ratio | fixed(2) | right(8))" +
    "\(.ours.cpu_ms | fixed(0) | right(9))\(.theirs.cpu_ms | fixed(0) | right(9))" +
    "\(.mib_per_s | fixed(0) | right(8))" +
    "\(.ours.peak_kib / 1024 | fixed(1) | right(8))  \(.reached | verdict)";

def race_table:
    "\n\(.[0].what)\(if .[0].below then " (aim: below \(.[0].below))" else "" end)",
    "  pattern     ours ms    peer    ratio   cpu ms     peer   MiB/s     MiB",
    (.[] | race_line);

def memory_table:
    if length == 0 then empty else
        "\nPeak resident memory with one bitmap of 512 MiB of bits (aim: below 64 MiB)",
        (.[] | "  \(.pattern | left(10))\(.what | left(8))" +
               "\(.peak_kib / 1024 | fixed(1) | right(8)) MiB  \(.reached | verdict)") end;

"\(.machine.date), \(.machine.cpus) x \(.machine.cpu), Linux \(.machine.kernel), load \(.machine.load)",
"\(.machine.qemu), \(.machine.nbdkit); medians of \(.rounds) rounds",
(reduce .races[] as $race ([]; if .[-1][0].what == $race.what then .[-1] += [$race] else . + [[$race]] end)
 | .[] | race_table),
(.memory | memory_table)
