#!/usr/bin/env bash
# inspect --timeline: the chain of checkpoints as people draw it, in a terminal and as a picture.
. "$(dirname "$0")/lib.sh"
mode=nbd layers=one
. "$(dirname "$0")/../../modes/pair.sh"
export TZ=UTC

image=$scratch/vda.qcow2
dirty_image "$image" 64M chk1 $granule 0 $granule
qemu-img bitmap --disable "$image" chk1
dirty_image "$image" 64M chk2 $granule 1M $((2 * granule))
checkpoints links chk1:vda=chk1 chk2:vda=chk2 >"$scratch/links.json"

timeline() {
    "$BITFERRY" inspect --timeline "$@"
}

# same FILE: it is what stands on stdin, without spaces at the ends of lines
same() {
    sed 's/ *$//' "$1" >"$scratch/trimmed"
    diff -u - "$scratch/trimmed" >&2 || die "not as drawn: $1"
}

timeline --checkpoints "$scratch/links.json" vda="$image" >"$scratch/drawn"
tail -n +3 "$scratch/drawn" | sed 's/ *$//' >"$scratch/links"
same "$scratch/links" <<'DRAWN'
vda  64 MiB
        creation          chk1              chk2              active
                          2023-11-14        2023-11-14
                          22:13             23:13
        ├─────────────────●─────────────────●─────────────────▶
  chk1                    ╞═════════════════╡                    64 KiB, frozen
  chk2                                      ╞═════════════════▶  128 KiB
DRAWN
ok "links: each bitmap from its checkpoint to the next"

LC_ALL=C COLUMNS=60 timeline "$image" >"$scratch/drawn"
tail -n +3 "$scratch/drawn" >"$scratch/nested"
same "$scratch/nested" <<'DRAWN'
vda  64 MiB
        creation chk1     chk2     active
        |--------o--------o-------->
  chk1           [.................>  64 KiB, BITMAP_FROZEN
  chk2                    [========>  128 KiB
DRAWN
ok "without UTF-8, and narrow: the same in ASCII; nested, the frozen one is broken"

timeline --json --checkpoints "$scratch/links.json" vda="$image" >"$scratch/json"
equal "chk1 chk1 chk2 whole 65536|chk2 chk2 null whole 131072" \
    "$(jq -r '[.disks[0].bars[] | "\(.bitmap) \(.from) \(.to) \(.state) \(.dirty_bytes)"] | join("|")' "$scratch/json")" \
    "bars in JSON"
ok "as JSON"

# Colour is for terminals that want it.
coloured() {
    env TERM=xterm "$@" script -qec "$BITFERRY inspect --timeline vda=$image" /dev/null | grep -c $'\033\\[31m' || true
}
[ "$(coloured A=b)" -gt 0 ] || die "no colour on a terminal"
equal 0 "$(coloured NO_COLOR=1)" "colours with NO_COLOR"
ok "colours on a terminal, none with NO_COLOR"

# --- a picture ---
name="<a> & \"b\" 'é'"
qemu-img bitmap --add "$image" "$name"
"$BITFERRY" inspect --svg "$scratch/picture.svg" vda="$image"
equal "" "$(find "$scratch" -name 'picture.svg.*')" "drafts of the picture"
in_picture() {
    xmllint --xpath "$1" "$scratch/picture.svg" || die "the picture has no $1"
}
equal "$name" "$(in_picture "string(//*[local-name()='text'][contains(., 'é')][1])")" "a name in the picture"
equal "1 2" "$(in_picture "count(//*[local-name()='path'][@class='broken'])") $(in_picture \
    "count(//*[local-name()='path'][@class='recording'])")" "bars"
for text in creation active "64 KiB, BITMAP_FROZEN" "128 KiB"; do
    equal 1 "$(in_picture "count(//*[local-name()='text'][. = '$text'])")" "'$text' in the picture"
done
fails_with 1 "cannot make the picture" "$BITFERRY" inspect --svg "$scratch/no/such" vda="$image"
ok "a picture: well-formed whatever the names, with every bar"

# --- a running QEMU, an archive ---
qemu source -machine none
guest_disk source vda "$image" qcow2
timeline --qmp "$scratch/source.qmp" >"$scratch/drawn"
grep -q '^ferry: 3 checkpoints, nested' "$scratch/drawn" || die "$(<"$scratch/drawn")"
timeline --qmp "$scratch/source.qmp" --disk vdx=vda >"$scratch/drawn"
grep -q '^vdx  64 MiB' "$scratch/drawn" || die "$(<"$scratch/drawn")"
end_qemu source
"$BITFERRY" archive --quiet --to "$scratch/archive" "$image" >/dev/null
timeline --checkpoints "$scratch/links.json" "$scratch/archive" >"$scratch/drawn"
grep -q 'chk1 .*╞═*╡' "$scratch/drawn" || die "$(<"$scratch/drawn")"
grep -q "Besides, on vda: .*, of no checkpoint" "$scratch/drawn" || die "$(<"$scratch/drawn")"
fails_with 2 "give a TARGET" "$BITFERRY" inspect
fails_with 2 "goes with --qmp" timeline --disk vda=x "$image"
clean_temp
ok "of a running QEMU and of an archive"
