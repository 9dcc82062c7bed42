# A line for a move: what the bench has measured, and what QEMU (the input: query-migrate) and the guest say.

def number: if . == "" then null else tonumber end;
def ms: number | if . then . / 1000 else null end;

# latencies: of a report of the guest's; none of a guest that has not written
def latencies: [scan("(\\w+)=(\\d+)") | {key: .[0], value: (.[1] | tonumber)}] | from_entries
    | if (.writes // 0) > 0 then {writes, p50_ms: (.p50_us / 1000), p99_ms: (.p99_us / 1000),
        longest_ms: (.longest_us / 1000), gap_ms: (.gap_us / 1000)} else {} end;

{
    way: $way, link: $link, number: $number, round: $round, data_mib: $data_mib, converged: true,
    downtime_ms: .return.downtime, pause_ms: ($pause_us / 1000), migration_ms: .return."total-time",
    told_ms: ($told_us | ms), mirror_ms: ($mirror_us / 1000), waited_ms: ($waited_us | ms),
    total_ms: ($total_us / 1000), committed_ms: ($committed_us | ms), wire_bytes: ($wire_bytes | number),
    source_kib: ($source_kib | number), dest_kib: ($dest_kib | number), server_kib: ($server_kib | number),
    guest: ($guest | latencies), copying: ($lap | latencies)
}
