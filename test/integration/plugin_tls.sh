#!/bin/bash
# TLS with certificates on both sides over TCP: with one a client gets the bits, without it nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
dirty_image disk.qcow2 64M b 64k 0 1M

# certificate FOLDER NAME CA LINE...: NAME-key.pem and NAME-cert.pem in FOLDER, signed by folder CA.
certificate() {
    local folder=$1 name=$2 ca=$3
    shift 3
    mkdir -p "$folder"
    printf '%s\n' "$@" signing_key >template
    certtool --generate-privkey --key-type ecdsa --outfile "$folder/$name-key.pem" 2>/dev/null
    if [ "$name" = ca ]; then
        certtool --generate-self-signed --load-privkey "$folder/ca-key.pem" --template template \
            --outfile "$folder/ca-cert.pem" 2>/dev/null
    else
        certtool --generate-certificate --load-ca-certificate "$ca/ca-cert.pem" \
            --load-ca-privkey "$ca/ca-key.pem" --load-privkey "$folder/$name-key.pem" \
            --template template --outfile "$folder/$name-cert.pem" 2>/dev/null
        cp "$ca/ca-cert.pem" "$folder"
    fi
}
certificate ours ca - 'cn = ours' ca cert_signing_key
certificate theirs ca - 'cn = theirs' ca cert_signing_key
certificate server server ours 'cn = localhost' 'dns_name = localhost' 'ip_address = 127.0.0.1' \
    tls_www_server
certificate client client ours 'cn = client' tls_www_client
certificate stranger client theirs 'cn = stranger' tls_www_client
cp ours/ca-cert.pem stranger/ca-cert.pem
mkdir nobody
cp ours/ca-cert.pem nobody/

# started OPTION...: nbdkit cannot choose a free port by itself.
started() {
    port=$((20000 + RANDOM % 12000))
    rm -f server.pid
    run_child nbdkit -f -P server.pid -i 127.0.0.1 -p "$port" "$@" --tls-verify-peer \
        --tls-certificates="$scratch/server" "$PLUGIN" disk.qcow2 2>>"$log"
    server=$child
    until [ -s server.pid ]; do
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.02
    done
}
wait_for 30 started --tls=require

# with FOLDER EXPORT
with() {
    printf 'nbds://localhost:%s/%s?tls-certificates=%s' "$port" "$2" "$scratch/$1"
}
nbdinfo "$(with client disk/b)" | grep -q '^protocol: newstyle-fixed with TLS' || die "no TLS"
equal "$(qemu_digest disk.qcow2 b)" \
    "$(nbdcopy "$(with client disk/b)" - | sha256sum | cut -d ' ' -f 1)" "bits over TLS"
equal disk/b "$(nbdinfo --list --json "$(with client '')" | jq -r '.exports[]."export-name"')" \
    "list over TLS"
ok "a client with a certificate of our CA"

for who in nobody stranger; do
    ! nbdinfo "$(with "$who" disk/b)" >said 2>&1 || die "$who was served: $(cat said)"
done
ok "not one without, and not one of another CA"
! nbdinfo "nbd://localhost:$port/disk/b" >said 2>&1 || die "served without TLS: $(cat said)"
! nbdinfo --list "nbd://localhost:$port" >said 2>&1 || die "listed without TLS: $(cat said)"
ok "nothing without TLS"
stop_serving

wait_for 30 started --tls=on --filter=tls-fallback
equal "$(qemu_digest disk.qcow2 b)" \
    "$(nbdcopy "$(with client disk/b)" - | sha256sum | cut -d ' ' -f 1)" "bits over TLS"
! nbdinfo --list "nbd://localhost:$port" | grep disk/b || die "the list of bitmaps without TLS"
nbdcopy "nbd://localhost:$port/disk/b" - | grep -aq 'This NBD server requires TLS' ||
    die "the fallback filter does not answer"
ok "--filter=tls-fallback"
stop_serving
