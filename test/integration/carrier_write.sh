#!/bin/bash
# What the writer and the view make, as QEMU sees it: `qemu-img check` is content, and QEMU's own digest
# and count of what it loads are those of the pattern.
. "$(dirname "$0")/lib.sh"

make=$BF_BUILD/test/carrier-make

# clean IMAGE: qemu-img check finds no error and no leak, and says nothing else.
clean() {
    equal "No errors were found on the image." "$(qemu-img check "$1" 2>&1 | sed /^Image.end/d)" \
        "qemu-img check $1"
}

# digests IMAGE NAME...: QEMU's own, one a line, in this order.
digests() {
    local image=$1 name commands=()
    shift
    for name; do
        commands+=("$(jq -nc --arg name "$name" \
            '{execute:"x-debug-block-dirty-bitmap-sha256",arguments:{node:"disk",name:$name}}')")
    done
    qsd_qmp "driver=qcow2,node-name=disk,read-only=on,file.driver=file,file.filename=$image" \
        "${commands[@]}" | jq -r 'select(.return.sha256).return.sha256'
}

# loads_as IMAGE EXPECTED: QEMU loads from IMAGE the bitmaps of the lines "NAME SHA256 COUNT".
loads_as() {
    local names=()
    mapfile -t names < <(awk 'NF==3 {print $1}' "$2")
    [ ${#names[@]} -gt 0 ] || die "nothing to compare in $2"
    equal "$(awk 'NF==3 {print $2}' "$2")" "$(digests "$1" "${names[@]}")" "digests of ${names[*]}"
}

# flags IMAGE NAME: granularity, and "auto" if QEMU will record into it.
flags() {
    qemu-img info --output=json "$1" |
        jq -r --arg name "$2" '."format-specific".data.bitmaps[] |
            select(.name==$name) | "\(.granularity) \(.flags | join(","))"'
}

# Size and granularity at every edge: less than one bit, less than one sector's worth, a last bit that
# reaches past the end, exact clusters of bits, one more, and the largest disks and granularities.
shapes=(
    "512 512" "512 2G" "66048 64K" "66048 512" "1M 4K" "2G 2G" "3221225984 2G"
    "268435456 512" "268435968 512" "536870912 512" "300000256 512"
    "1T 64K" "1099511628288 64K" "1T 1M" "2P 2G" "16T 4K"
)
patterns() {
    if [ "$1" = "16T 4K" ]; then
        echo sparse
    else
        echo dirty pieces alternate clean
    fi
}

for shape in "${shapes[@]}"; do
    read -r size granularity <<<"$shape"
    [ "$size" != 16T ] || continue # carrier_write_large.sh
    args=()
    state=recording
    for pattern in $(patterns "$shape"); do
        args+=("$pattern" "$granularity" "$state" "$pattern")
        [ $state = recording ] && state=frozen || state=recording
    done
    "$make" carrier "$scratch/c.qcow2" "$size" "${args[@]}" >"$scratch/expected"
    clean "$scratch/c.qcow2"
    loads_as "$scratch/c.qcow2" "$scratch/expected"
    rm "$scratch/c.qcow2"
done
ok "carriers of all shapes load as they were written"

for shape in "${shapes[@]}"; do
    read -r size granularity <<<"$shape"
    qemu-img create -q -f qcow2 "$scratch/dst.qcow2" "$size"
    : >"$scratch/expected"
    for pattern in $(patterns "$shape"); do
        "$make" view "$scratch/v.qcow2" "$size" "$pattern" "$granularity" frozen "$pattern" \
            >>"$scratch/expected"
        clean "$scratch/v.qcow2"
        qemu-img bitmap --add -g "$granularity" --merge "$pattern" -b "$scratch/v.qcow2" -F qcow2 \
            "$scratch/dst.qcow2" "$pattern"
        rm "$scratch/v.qcow2"
    done
    loads_as "$scratch/dst.qcow2" "$scratch/expected"
    rm "$scratch/dst.qcow2"
done
ok "views of all shapes merge as they are"

"$make" carrier "$scratch/flags.qcow2" 1G on 64K recording random off 1M frozen random >/dev/null
"$make" view "$scratch/on.qcow2" 1G on 64K recording random >/dev/null
"$make" view "$scratch/off.qcow2" 1G off 1M frozen random >/dev/null
equal "65536 auto" "$(flags "$scratch/flags.qcow2" on)" "recording bitmap of a carrier"
equal "1048576 " "$(flags "$scratch/flags.qcow2" off)" "frozen bitmap of a carrier"
equal "65536 auto" "$(flags "$scratch/on.qcow2" on)" "recording bitmap of a view"
equal "1048576 " "$(flags "$scratch/off.qcow2" off)" "frozen bitmap of a view"
ok "recording and frozen are kept"

many=()
for ((i = 0; i < 5000; i++)); do
    many+=("checkpoint-$i" 1M recording dirty)
done
"$make" carrier "$scratch/count.qcow2" 66M b 1M frozen random >"$scratch/expected"
equal "$(awk '$1=="b" {print $3}' "$scratch/expected")" "$(qemu_count "$scratch/count.qcow2" b)" \
    "QEMU's count"
ok "QEMU counts the same"

"$make" carrier "$scratch/many.qcow2" 66M "${many[@]}" >"$scratch/expected"
clean "$scratch/many.qcow2"
equal 5000 "$(qemu-img info --output=json "$scratch/many.qcow2" |
    jq '."format-specific".data.bitmaps | length')" "bitmaps that qemu-img sees"
grep -E '^checkpoint-(0|2047|4999) ' "$scratch/expected" >"$scratch/some"
loads_as "$scratch/many.qcow2" "$scratch/some"
ok "5,000 bitmaps in one carrier"

fails_with 1 "EXISTS.*'b' already" \
    "$make" carrier "$scratch/twice.qcow2" 1G b 64K frozen dirty b 1M frozen dirty
status=0
BITFERRY_FAIL_POINT=carrier.header:kill \
    "$make" carrier "$scratch/killed.qcow2" 1G b 64K frozen alternate || status=$?
equal 137 "$status" "exit code of a killed writer"
for file in twice killed; do
    equal raw "$(qemu-img info --output=json "$scratch/$file.qcow2" | jq -r .format)" \
        "format of a carrier that was not finished"
done
ok "what was not finished is no qcow2 image"
