#!/bin/bash
# TLS: both sides prove themselves, and nothing travels when one does not.
. "$(dirname "$0")/lib.sh"

TOOL=$BF_BUILD/test/nbd-tool

# certificate_authority FOLDER
certificate_authority() {
    mkdir -p "$1"
    certtool --generate-privkey --key-type=ed25519 --outfile "$1/ca-key.pem" 2>/dev/null
    printf 'cn = %s\nca\ncert_signing_key\n' "${1##*/}" >"$1/ca.info"
    certtool --generate-self-signed --load-privkey "$1/ca-key.pem" --template "$1/ca.info" \
        --outfile "$1/ca-cert.pem" 2>/dev/null
}

# certificate AUTHORITY FOLDER KIND HOST [LINE]: KIND-cert.pem (server, client) for the host, into the folder
certificate() {
    mkdir -p "$2"
    cp "$1/ca-cert.pem" "$2/"
    certtool --generate-privkey --key-type=ed25519 --outfile "$2/$3-key.pem" 2>/dev/null
    printf 'cn = %s\ndns_name = %s\ntls_www_%s\nsigning_key\n%s\n' "$4" "$4" "$3" "${5:-}" >"$2/$3.info"
    certtool --generate-certificate --load-privkey "$2/$3-key.pem" --template "$2/$3.info" \
        --load-ca-certificate "$1/ca-cert.pem" --load-ca-privkey "$1/ca-key.pem" \
        --outfile "$2/$3-cert.pem" 2>/dev/null
}

# serve_tls ARGUMENTS...: nbdkit on $port
serve_tls() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        port=$(shuf -i 20000-30000 -n 1)
        rm -f "$scratch/pid"
        run_child nbdkit -f -i 127.0.0.1 -p "$port" -P "$scratch/pid" "$@" pattern 4M
        until [ -s "$scratch/pid" ] || ! kill -0 "$child" 2>/dev/null; do sleep 0.02; done
        server=$child
        [ ! -s "$scratch/pid" ] || return 0
    done
    die "nbdkit found no port"
}

certificate_authority "$scratch/ours"
certificate_authority "$scratch/strange"
certificate "$scratch/ours" "$scratch/server" server localhost
certificate "$scratch/ours" "$scratch/client" client client
certificate "$scratch/strange" "$scratch/strange-client" client client
certificate "$scratch/ours" "$scratch/other-host" server elsewhere.example
mkdir "$scratch/no-client"
cp "$scratch/ours/ca-cert.pem" "$scratch/no-client/"

serve_tls --tls=require --tls-certificates="$scratch/server" --tls-verify-peer
"$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/client" >"$scratch/said"
grep -q 'data=4194304' "$scratch/said" || die "$(cat "$scratch/said")"
"$TOOL" pull "nbds://localhost:$port/x?tls-certificates=$scratch/client" >"$scratch/said"
grep -q 'data=4194304' "$scratch/said" || die "$(cat "$scratch/said")"
"$TOOL" list "nbds://localhost:$port/" --tls "$scratch/client" >/dev/null
ok "both sides show a certificate of one authority"


# Once it has let us in, what breaks in TLS is the connection, which may be made anew.
front=$((port - 10000))
run_child "$BF_BUILD/test/tcp-proxy" "$front" "$port" flip 200000 0 1 >"$scratch/proxy"
proxy=$child
wait_for 30 grep -q listening "$scratch/proxy"
fails_with 10 'PEER: .*gnutls_record_recv' "$TOOL" pull "nbds://localhost:$front/x" --tls "$scratch/client"
grep -q 'wrong bit' "$scratch/proxy" || die "$(cat "$scratch/proxy")"
kill "$proxy"
ok "a record with a wrong bit: $(cat "$scratch/.said")"

fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/strange-client"
ok "a server of another authority: $(cat "$scratch/.said")"
cp "$scratch/ours/ca-cert.pem" "$scratch/strange-client/"
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/strange-client"
ok "a client of another authority: $(cat "$scratch/.said")"
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/no-client"
ok "a client without a certificate: $(cat "$scratch/.said")"
fails_with 12 'AUTH: ' "$TOOL" list "nbds://localhost:$port/x" --tls "$scratch/no-client"
ok "listing without a certificate: $(cat "$scratch/.said")"
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://127.0.0.1:$port/x" --tls "$scratch/client"
ok "a server addressed by a name that it has no certificate for: $(cat "$scratch/.said")"
fails_with 12 'AUTH: .*TLS' "$TOOL" pull "nbd://localhost:$port/x"
ok "a server that wants TLS, asked without: $(cat "$scratch/.said")"
fails_with 2 'USAGE: .*use nbds://' "$TOOL" pull "nbd://localhost:$port/x" --tls "$scratch/client"
fails_with 2 'USAGE: ' "$TOOL" pull "nbds+unix:///x?socket=$scratch/s" --tls "$scratch/client"
ok "certificates are never quietly unused"
certificate "$scratch/ours" "$scratch/expired" client client 'expiration_date = "2021-01-01 00:00:00"'
certificate "$scratch/ours" "$scratch/early" client client 'activation_date = "2097-01-01 00:00:00"'
for kind in expired early; do
    fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/$kind"
    ok "a client's certificate that is $kind: $(cat "$scratch/.said")"
done
kill "$server"

certificate "$scratch/ours" "$scratch/revoked" client client
printf 'crl_next_update = 30\ncrl_number = 1\n' >"$scratch/crl.info"
certtool --generate-crl --load-ca-privkey "$scratch/ours/ca-key.pem" --load-ca-certificate \
    "$scratch/ours/ca-cert.pem" --load-certificate "$scratch/revoked/client-cert.pem" \
    --template "$scratch/crl.info" --outfile "$scratch/server/ca-crl.pem" 2>/dev/null
serve_tls --tls=require --tls-certificates="$scratch/server" --tls-verify-peer
"$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/client" >/dev/null
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/revoked"
ok "a client's certificate that is revoked: $(cat "$scratch/.said")"
rm "$scratch/server/ca-crl.pem"
kill "$server"

serve_tls --tls=require --tls-certificates="$scratch/other-host" --tls-verify-peer
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/client"
ok "a server with a certificate for another host: $(cat "$scratch/.said")"
kill "$server"

for keys in keys wrong-keys; do
    psktool -u one -p "$scratch/$keys" >/dev/null 2>&1
done
psktool -u two -p "$scratch/keys" >/dev/null 2>&1
serve_tls --tls=require --tls-psk="$scratch/keys"
for name in one two; do
    "$TOOL" pull "nbds://127.0.0.1:$port/x" --psk "$scratch/keys" --psk-name "$name" >"$scratch/said"
    grep -q 'data=4194304' "$scratch/said" || die "$(cat "$scratch/said")"
done
ok "both sides have the same key"
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://127.0.0.1:$port/x" --psk "$scratch/wrong-keys" --psk-name one
ok "a wrong key: $(cat "$scratch/.said")"
psktool -u three -p "$scratch/wrong-keys" >/dev/null 2>&1
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://127.0.0.1:$port/x" --psk "$scratch/wrong-keys" --psk-name three
ok "a name that the server has no key of: $(cat "$scratch/.said")"
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/client"
ok "a certificate where keys are wanted: $(cat "$scratch/.said")"
kill "$server"

serve_tls --tls=off
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --tls "$scratch/client"
ok "a server without TLS: $(cat "$scratch/.said")"
fails_with 12 'AUTH: ' "$TOOL" pull "nbds://localhost:$port/x" --psk "$scratch/keys" --psk-name one
ok "a server without TLS, asked with a key: $(cat "$scratch/.said")"
