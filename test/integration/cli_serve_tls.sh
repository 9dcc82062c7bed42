#!/bin/bash
# serve with TLS: clients without a certificate of ours get nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

# certificate_authority FOLDER
certificate_authority() {
    mkdir -p "$1"
    certtool --generate-privkey --key-type=ed25519 --outfile "$1/ca-key.pem" 2>/dev/null
    printf 'cn = test\nca\ncert_signing_key\n' >"$1/ca.info"
    certtool --generate-self-signed --load-privkey "$1/ca-key.pem" --template "$1/ca.info" \
        --outfile "$1/ca-cert.pem" 2>/dev/null
}

# certificate AUTHORITY KIND (server, client)
certificate() {
    mkdir -p "$1/$2"
    cp "$1/ca-cert.pem" "$1/$2/"
    certtool --generate-privkey --key-type=ed25519 --outfile "$1/$2/$2-key.pem" 2>/dev/null
    printf 'cn = localhost\ndns_name = localhost\ntls_www_%s\nsigning_key\n' "$2" >"$1/$2.info"
    certtool --generate-certificate --load-privkey "$1/$2/$2-key.pem" --template "$1/$2.info" \
        --load-ca-certificate "$1/ca-cert.pem" --load-ca-privkey "$1/ca-key.pem" \
        --outfile "$1/$2/$2-cert.pem" 2>/dev/null
}

for authority in ours theirs; do
    certificate_authority "$scratch/$authority"
    certificate "$scratch/$authority" server
    certificate "$scratch/$authority" client
done
image=$scratch/vda.qcow2
dirty_image "$image" 64M monday 64k 0 1M

serve_bitmaps --tls-certificates "$scratch/ours/server" --listen localhost --port 0 "$image"
[[ $uri == nbds://localhost:* ]] || die "URI: $uri"
equal monday "$(field '.disks[0].bitmaps[].name' \
    "$BITFERRY" inspect --json "$uri" --tls-certificates "$scratch/ours/client")" "over TLS"
"$BITFERRY" verify "$image" "$uri" --tls-certificates "$scratch/ours/client" >/dev/null || die "verify over TLS"
ok "a client of ours reads"

fails_with 12 . "$BITFERRY" inspect "$uri" --tls-certificates "$scratch/theirs/client"
mkdir "$scratch/anonymous"
cp "$scratch/ours/ca-cert.pem" "$scratch/anonymous/"
! "$BITFERRY" inspect "$uri" --tls-certificates "$scratch/anonymous" >/dev/null 2>&1 ||
    die "a client without a certificate is let in"
! nbdinfo --list "nbd://${uri#nbds://}" >/dev/null 2>&1 || die "a client without TLS is let in"
stop_serving
ok "nobody else does"

serve_bitmaps --tls-certificates "$scratch/theirs/server" --port 0 "$image"
fails_with 12 . "$BITFERRY" inspect "$uri" --tls-certificates "$scratch/ours/client"
stop_serving
ok "a server of another authority is not believed"

fails_with 1 "nbdkit could not start" "$BITFERRY" serve "$image" --tls-certificates "$scratch/anonymous" --port 0 --run true
equal 2 "$("$BITFERRY" serve "$image" --tls-certificates "$scratch/ours/server" --port 0 --run 'echo $tls')" '$tls'
clean_temp
ok "it does not start without a certificate"
