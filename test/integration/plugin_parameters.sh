#!/bin/bash
# The command line: what is served under which name, and what is refused with which words.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
mkdir images carriers empty
dirty_image images/b.qcow2 16M one 64k 0 64k
dirty_image images/b.qcow2 16M two 64k 0 64k
dirty_image images/a.qcow2 16M one 64k 64k 64k
cp images/a.qcow2 images/.hidden.qcow2
cp images/a.qcow2 images/x=y.qcow2
cp images/b.qcow2 carriers/vda.carrier.qcow2
cp images/a.qcow2 carriers/other.qcow2

# exports PARAMETER...: what is then listed
exports() {
    # shellcheck disable=SC2016 # nbdkit's variable
    nbdkit -U - "$PLUGIN" "$@" --run 'nbdinfo --list --json "$uri"' |
        jq -r '[.exports[]."export-name"] | join(" ")'
}
equal "b/one b/two" "$(exports images/b.qcow2)" "a bare file"
equal "b/one b/two a/one" "$(exports image=images/b.qcow2 image=images/a.qcow2)" "two images"
equal "vda/one" "$(exports image=vda=images/a.qcow2)" "an image with a name"
equal "b/one b/two vda/one" "$(exports images/b.qcow2 image=vda=images/a.qcow2)" \
    "a bare file and one with a name"
equal "x=y/one" "$(exports ./images/x=y.qcow2)" "a file with = in its name"
equal "z/one" "$(exports "image=z=$scratch/images/x=y.qcow2")" "a name for a file with ="
equal "vda/one vda/two" "$(exports carrier=carriers/vda.carrier.qcow2)" "a carrier"
equal "sda/one sda/two" "$(exports carrier=sda=carriers/vda.carrier.qcow2)" "a carrier with a name"
equal "vda/one vda/two" "$(exports dir=carriers)" "a folder with a carrier"
equal "a/one b/one b/two x=y/one" "$(exports dir=images)" "a folder of images"
equal "b/two" "$(exports dir=images bitmap=two)" "one bitmap of a folder"
equal "b/one b/two" "$(exports images/b.qcow2 bitmap=two bitmap=one)" "two bitmaps"
ok "names and files"

# Not in the foreground: nbdkit leaves the folder, and the locks must outlive the fork.
nbdkit -U "$scratch/background" -P background.pid "$PLUGIN" images/b.qcow2
socket=$scratch/background
equal "$(qemu_digest images/b.qcow2 one)" "$(digest b/one)" "bits from the background"
fails_with 1 'Failed to get "write" lock' qemu-io -c 'write 0 64k' images/b.qcow2
kill "$(cat background.pid)"
wait_for 10 qemu-io -c 'write 0 64k' images/b.qcow2 >/dev/null
ok "relative paths and locks hold in the background"

# connected_to SOCKET: somebody is
connected_to() {
    grep -q " 03 [0-9]* $1\$" /proc/net/unix
}

printf '0123456789abcdef' >token
serve token=+token images/b.qcow2
equal "$(qemu_digest images/b.qcow2 one)" "$(digest 0123456789abcdef/b/one)" "bits behind a token"
refused b/one 'no token'
refused 0123456789abcdee/b/one 'no token'
refused '' 'no token'
refused 0123456789abcdef 'no token'
nbdinfo "$(uri 0123456789abcdef/)" >/dev/null # the index
equal 0 "$(nbdinfo --list --json "nbd+unix://?socket=$socket" 2>/dev/null | jq '.exports | length')" "exports listed"
! grep -aq 0123456789abcdef "/proc/$server/cmdline" || die "everybody can see the token"
stop_serving
ok "with a token only who knows it sees anything"

# A carrier that comes later: who is early waits, and who comes in vain goes.
carrier=carriers/vda.carrier.qcow2
serve late=vda=soon.qcow2 late=vdb=never.qcow2
run_child bash -c 'nbdcopy "$1" - | sha256sum | cut -d " " -f 1 >late.digest' - "$(uri vda/one)"
copying=$child
wait_for 10 connected_to "$socket"
[ ! -s late.digest ] || die "bits of a carrier that is not there"
cp "$carrier" soon.part
mv soon.part soon.qcow2
wait "$copying"
equal "$(qemu_digest "$carrier" one)" "$(cat late.digest)" "bits of a carrier that came"
equal "$(qemu_digest "$carrier" two)" "$(digest vda/two)" "bits of one that is there"
refused vda/nope "no bitmap 'nope'"
refused vdc/one "no bitmap 'one' of a disk 'vdc'"
: >broken.part
mv broken.part never.qcow2
refused vdb/one 'never.qcow2'
stop_serving
serve late=vda=nobody.qcow2
run_child nbdinfo "$(uri vda/one)" >/dev/null 2>&1
kept=$child
wait_for 10 connected_to "$socket"
stop_serving
! wait "$kept" || die "a carrier that never came was served"
ok "carriers that come late are waited for, by the client's leave"

# bad WORDS PARAMETER...
bad() {
    LC_ALL=C fails_with 1 "error: .*$1" nbdkit -U - "$PLUGIN" "${@:2}" --run true
}
bad 'nothing to serve: give image=FILE'
bad 'the token comes from a file' token=0123456789abcdef images/a.qcow2
printf 'short' >token
bad 'a token has 16 to 128 characters' token=+token images/a.qcow2
bad "unknown parameter 'imag'" imag=images/a.qcow2
bad "'=images/a.qcow2' is not of the form \[NAME=\]FILE" image==images/a.qcow2
bad "'vda=' is not of the form \[NAME=\]FILE" image=vda=
bad "two disks are named 'a' .*: name one of them otherwise with image=NAME=FILE" \
    images/a.qcow2 ./images/a.qcow2
bad "two disks are named 'a'" images/b.qcow2 image=a=images/b.qcow2 dir=images
bad 'a disk name has 1 to 255 bytes' "image=$(printf 'n%.0s' {1..256})=images/a.qcow2"
bad 'disk name .* is not UTF-8' $'image=\xff=images/a.qcow2'
bad 'cannot open .*/nope.qcow2: No such file' nope.qcow2
bad 'images: .*folder|cannot open .*images' ./images
bad 'not a qcow2 image' "$0"
bad "'.*/empty' holds neither \*.carrier.qcow2 nor \*.qcow2" dir=empty
bad "cannot list the folder '.*/nope': No such file" dir=nope
bad 'bitmap=nope: none of the images has a bitmap of this name' images/a.qcow2 bitmap=nope
truncate -s 300 images/a.qcow2
bad 'a.qcow2: ' images/a.qcow2
ok "bad parameters are refused in words"

nbdkit "$PLUGIN" --dump-plugin >dump
for line in name=bitferry max_thread_model=parallel magic_config_key=image bitferry_index_schema=1 \
    bitferry_views=bits,qcow2 "bitferry_version=$(sed -n 's/^version=//p' dump)"; do
    grep -qx "$line" dump || die "--dump-plugin without $line: $(cat dump)"
done
nbdkit "$PLUGIN" --help >help
for word in 'image=' 'carrier=' 'late=' 'dir=' 'bitmap=' 'token=' 'bitferry dirty bitmaps'; do
    grep -qF "$word" help || die "--help without $word"
    case $word in
    *=) grep -qF "${word%=}" "$BF_SOURCE/nbdkit-plugin/nbdkit-bitferry-plugin.1" ||
        die "the man page lacks $word" ;;
    esac
done
equal plugin_init "$(nm -D --defined-only "$PLUGIN" | cut -d ' ' -f 3)" "symbols of the plugin"
ok "--dump-plugin, --help, and one symbol"

# Started by a daemon that has ended meanwhile: there is nobody to serve for.
status=0
(BITFERRY_PARENT=1 nbdkit --foreground -U "$scratch/orphan" "$PLUGIN" a.qcow2) 2>/dev/null || status=$?
equal 137 "$status" "exit of an nbdkit whose parent is another one"
ok "no server without the daemon that wanted it"
