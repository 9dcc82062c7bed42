#!/usr/bin/env bash
# The sample orchestrator without bitferry: a plain move loses the bitmaps, QEMU's own capability carries them.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_guest

# go OPTION: what the orchestrator reports is in $report
go() {
    qemu-img create -q -f qcow2 "$scratch/A.qcow2" 64M
    qemu-img create -q -f qcow2 "$scratch/B.qcow2" 64M
    begin_guest A "$scratch/A.qcow2"
    guest A start 7 150 24 >/dev/null
    wrote A 50
    checkpoint A vda chk "$scratch/full.qcow2"
    wrote A 50
    arrive_guest B "$scratch/B.qcow2"
    report=$(move A B "$@" 2>"$scratch/said") || die "$(cat "$scratch/said")"
    jq -e '.downtime_ms >= 0 and .total_ms > 0' <<<"$report" >/dev/null || die "no figures: $report"
    wrote B 50
    guest B stop >/dev/null
}

go --without-bitferry
equal '' "$(bitmap B vda chk)" "a bitmap that nobody carried"
end_qemu A
end_qemu B
ok "without bitferry the checkpoint is lost"

go --native --downtime 2000
carried B vda chk
incremental B vda chk "$scratch/full.qcow2" "$scratch/incremental.qcow2"
end_qemu A
end_qemu B
qemu-img compare -q "$scratch/incremental.qcow2" "$scratch/B.qcow2" || die "full + incremental is not the disk"
ok "with QEMU's own capability: full + incremental = the disk"
