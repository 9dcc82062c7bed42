# From the lines of bench-measure to the medians, their ratios, and what was aimed at.

def median: sort | if length % 2 == 1 then .[length / 2 | floor]
    else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# Who is compared with whom, and what the ratio is to be (null: for information).
def races: [
    {who: "carry", peer: "qemu_img", below: 1,
     what: "serve + pull, installed and proven / ten qemu-img bitmap --merge"},
    {who: "carry", peer: "qemu_img_view", below: null,
     what: "serve + pull, installed and proven / ten merges from our qcow2 views over NBD"},
    {who: "install", peer: "qemu_img", below: null,
     what: "restore an archive, installed and proven / ten qemu-img bitmap --merge"},
    {who: "write", peer: "qemu_img", below: null,
     what: "archive: read, write a carrier / ten qemu-img bitmap --merge"},
    {who: "read", peer: "qemu_img", below: null,
     what: "inspect: read, count, digest / ten qemu-img bitmap --merge"},
    {who: "bits", peer: "nbdcopy", below: 1.5,
     what: "pull the bits, count, digest / nbdcopy to null:"},
    {who: "bits", peer: "nbdcopy_digest", below: null,
     what: "pull the bits, count, digest / nbdcopy to a file, sha256sum of it"},
    {who: "bits", peer: "nbdcopy_exports", below: null,
     what: "pull the bits, count, digest / nbdcopy of the same ten exports to null:"},
    {who: "bits_carrier", peer: "nbdcopy_file", below: 1.5,
     what: "pull the bits into a carrier / nbdcopy --flush to a file"}
];

def packed_mib: 20;
def memory_limit_kib: 65536;

def medians: map(select(.label.who)) | group_by([.label.pattern, .label.who]) | map({
    key: "\(.[0].label.pattern) \(.[0].label.who)",
    value: {
        median_ms: (map(.wall_ns) | median / 1e6),
        min_ms: (map(.wall_ns) | min / 1e6),
        max_ms: (map(.wall_ns) | max / 1e6),
        cpu_ms: (map(.cpu_ns) | median / 1e6),
        peak_kib: (map(.peak_kib) | max)
    }
}) | from_entries;

def race($medians; $pattern):
    $medians["\($pattern) \(.who)"] as $ours | $medians["\($pattern) \(.peer)"] as $theirs |
    ($ours.median_ms / $theirs.median_ms) as $ratio | {
        pattern: $pattern, who, peer, what, below, ratio: $ratio,
        reached: (if .below then $ratio < .below else null end),
        ours: $ours, theirs: $theirs,
        mib_per_s: (packed_mib / $ours.median_ms * 1000)
    };

medians as $medians | {
    schema: 1, machine: $machine, rounds: $rounds,
    races: [races[] as $race | ("empty", "full", "random", "alternate") as $pattern |
            $race | race($medians; $pattern)],
    memory: [.[] | select(.label.memory) | {
        pattern: .label.pattern, what: .label.memory, peak_kib, limit_kib: memory_limit_kib,
        reached: (.peak_kib < memory_limit_kib)
    }]
}
