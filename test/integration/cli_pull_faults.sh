#!/bin/bash
# `bitferry pull` when something goes wrong: the image is as it was, and nothing is left behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_carry_lib.sh"

cd "$scratch"
ten_bitmaps vda.qcow2 1G
plain_copy vda.qcow2 plain.qcow2
cp plain.qcow2 image.qcow2
serve "$PLUGIN" vda.qcow2
nbdcopy "$uri" index.json
nbdcopy "${uri/:\/\/\//:///vda/b64k}" bits
nbdcopy "${uri/:\/\/\//:///vda}" together
for name in b64k b128k; do
    nbdcopy "${uri/:\/\/\//:///vda/$name}" "$name"
done
kill "$server"
wait "$server" || true

# A server of one's own making: $scratch/index.json as index, $scratch/bits for every other export.
# shellcheck disable=SC2016
liar=(eval 'open=echo "x$3"' "get_size=[ \"\$2\" = x ] && stat -c %s '$scratch/index' || stat -c %s '$scratch/bits'"
    "pread=[ \"\$2\" = x ] && f='$scratch/index' || f='$scratch/bits'; dd if=\"\$f\" iflag=skip_bytes,count_bytes skip=\$4 count=\$3 status=none")
cp index.json index
serve "${liar[@]}"
"$BITFERRY" pull "$uri" --into image.qcow2 -b b64k >/dev/null
same_bitmaps vda.qcow2 image.qcow2 b64k
ok "the server made up here is believed as long as it says the truth"

# lied CODE WHAT-IS-SAID JQ-PROGRAM: the index with this change.
lied() {
    cp plain.qcow2 image.qcow2
    jq "(.disks[0].bitmaps[]|select(.name==\"b64k\")) |= ($3)" index.json >index
    unchanged image.qcow2 fails_with "$1" "$2" "$BITFERRY" pull "$uri" --into image.qcow2 -b b64k
    nothing_left
}
lied 14 "bitmap 'b64k'.*digests differ" '.sha256 |= ("0" * 64)'
lied 14 "bitmap 'b64k'.*digests differ" '.dirty_bytes += 65536'
lied 10 "'vda/b64k'.*2048 bytes where the index promises 4096" '.granularity_bytes = 32768'
lied 10 "'vda/b64k'.*promises 1024" '.granularity_bytes = 131072 | .dirty_bytes = 131072'
lied 10 "granularity" '.granularity_bytes = 65537'
lied 10 "dirty_bytes" '.dirty_bytes = 1099511627776'
lied 4 "PROTOCOL.*no digest" 'del(.sha256) | del(.dirty_bytes)'
lied 4 "BITMAP_INCONSISTENT.*crashed" '.consistent = false | .problem = "it crashed" | del(.sha256)'
jq '.schema = 2' index.json >index
fails_with 13 "schema 2" "$BITFERRY" pull "$uri" --into image.qcow2
echo '{"schema":1' >index
fails_with 10 "not JSON" "$BITFERRY" pull "$uri" --into image.qcow2
echo 'hello' >index
fails_with 15 "not one of bitferry" "$BITFERRY" pull "$uri" --into image.qcow2
cp index.json index
cp plain.qcow2 image.qcow2
printf '\377' | dd of=bits bs=1 seek=1000 conv=notrunc status=none
unchanged image.qcow2 fails_with 14 "bitmap 'b64k'.*digests differ" \
    "$BITFERRY" pull "$uri" --into image.qcow2 -b b64k
kill "$server"
nothing_left
ok "what a lying server says is noticed"

# A server that has the disk's export only, $scratch/together.
# shellcheck disable=SC2016
disk_only=(eval "open=case \"\$3\" in '') echo index;; vda) echo together;; *) echo ENOENT no >&2; exit 1;; esac"
    "get_size=stat -c %s '$scratch'/\$2"
    "pread=dd if='$scratch'/\$2 iflag=skip_bytes,count_bytes skip=\$4 count=\$3 status=none")
cp index.json index
cp together good
serve "${disk_only[@]}"
cp plain.qcow2 image.qcow2
"$BITFERRY" pull "$uri" --into image.qcow2 >/dev/null
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
cp plain.qcow2 image.qcow2
printf '\377' | dd of=together bs=1 seek="$(($(stat -c %s together) - 1))" conv=notrunc status=none
unchanged image.qcow2 fails_with 14 "export 'vda': bitmap 'o/d d.*digests differ" \
    "$BITFERRY" pull "$uri" --into image.qcow2
printf '\377' >together
cat good >>together
unchanged image.qcow2 fails_with 10 "export 'vda': the export has .* where the index promises" \
    "$BITFERRY" pull "$uri" --into image.qcow2
kill "$server"
nothing_left
ok "a lie in the export of all bitmaps is noticed"

# shellcheck disable=SC2016
old=("${disk_only[@]:0:1}" "open=case \"\$3\" in '') echo index;; vda/*) echo \"\${3#vda/}\";; *) echo ENOENT no >&2; exit 1;; esac" "${disk_only[@]:2}")
serve "${old[@]}"
"$BITFERRY" pull "$uri" --into image.qcow2 -b b64k -b b128k >/dev/null
same_bitmaps vda.qcow2 image.qcow2 b64k b128k
cp plain.qcow2 image.qcow2
kill "$server"
nothing_left
ok "from a server without that export the bitmaps come one by one"

# slow_pull OPTION...: a pull from a server that takes $delay seconds for every answer; back when the carrier
# is begun.  Its id is in $pull.
delay=1
slow_pull() {
    nbdkit=(nbdkit --filter=delay)
    serve "$PLUGIN" vda.qcow2 delay-read="$delay"
    "$BITFERRY" pull "$uri" --into image.qcow2 "$@" >said 2>&1 &
    pull=$!
    bf_children+=("$pull")
    wait_for 60 test -e .image.qcow2.bitferry/carrier.qcow2
}

# ends_with CODE TEXT: the pull.
ends_with() {
    local status=0
    wait "$pull" || status=$?
    equal "$1" "$status" "exit of the pull ($(cat said))"
    grep -qE "$2" said || die "the pull does not say '$2': $(cat said)"
}

kill_now() { # PID
    kill -9 "$1"
    wait "$1" 2>/dev/null || true
}
before=$(sha256sum <image.qcow2)

slow_pull
kill_now "$server"
ends_with 10 "the server closed the connection"
nothing_left
ok "the server dies"

slow_pull --deadline 2
kill -STOP "$server"
ends_with 10 "the server sent nothing for 2"
kill_now "$server"
nothing_left
ok "the server stops"

slow_pull
kill -TERM "$pull"
ends_with 1 "ended by SIGTERM"
kill "$server"
nothing_left
ok "the pull is interrupted"

slow_pull
kill -STOP "$pull" # so that it is not done before the other one has looked
fails_with 11 "another bitferry works on this image" "$BITFERRY" pull "$uri" --into image.qcow2
kill_now "$pull"
[ -e .image.qcow2.bitferry/carrier.qcow2 ] || die "a killed pull left nothing, so nothing is shown"
equal "$before" "$(sha256sum <image.qcow2)" "the image"
nbdkit=(nbdkit)
serve "$PLUGIN" vda.qcow2
"$BITFERRY" pull "$uri" --into image.qcow2 >/dev/null
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
nothing_left
ok "the pull is killed; the next one removes what it left and does the work"
kill "$server"

# TLS, with certificates on both sides.
authority() { # FOLDER
    mkdir "$1"
    certtool --generate-privkey --key-type=ed25519 --outfile "$1/ca-key.pem" 2>/dev/null
    printf 'cn = %s\nca\ncert_signing_key\n' "$1" >template
    certtool --generate-self-signed --load-privkey "$1/ca-key.pem" --template template \
        --outfile "$1/ca-cert.pem" 2>/dev/null
}
certificate() { # AUTHORITY FOLDER server|client
    mkdir "$2"
    cp "$1/ca-cert.pem" "$2"
    certtool --generate-privkey --key-type=ed25519 --outfile "$2/$3-key.pem" 2>/dev/null
    printf 'cn = localhost\ndns_name = localhost\ntls_www_%s\nsigning_key\n' "$3" >template
    certtool --generate-certificate --load-privkey "$2/$3-key.pem" --template template \
        --load-ca-certificate "$1/ca-cert.pem" --load-ca-privkey "$1/ca-key.pem" \
        --outfile "$2/$3-cert.pem" 2>/dev/null
}
authority ours
authority theirs
certificate ours server server
certificate ours client client
certificate theirs stranger client
serve_tls() {
    port=$(shuf -i 20000-30000 -n 1)
    rm -f tls.pid
    run_child nbdkit -f -i 127.0.0.1 -p "$port" -P "$scratch/tls.pid" --tls=require --tls-verify-peer \
        --tls-certificates="$scratch/server" "$PLUGIN" vda.qcow2 2>>nbdkit.log
    until [ -s tls.pid ]; do
        kill -0 "$child" 2>/dev/null || return 1
        sleep 0.02
    done
}
wait_for 30 serve_tls
cp plain.qcow2 image.qcow2
unchanged image.qcow2 fails_with 12 "certificate" "$BITFERRY" pull "nbds://localhost:$port" --into image.qcow2 \
    --tls-certificates stranger
"$BITFERRY" pull "nbds://localhost:$port" --into image.qcow2 --tls-certificates client >/dev/null
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
nothing_left
ok "over TLS, with a certificate that is known"
