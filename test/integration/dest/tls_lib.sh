# shellcheck shell=bash
# Moves between hosts that prove who they are.
#
#     authority, host      certificates
#     keys                 a file of pre-shared keys
#     secure, source_as    a daemon's configuration with them

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# authority NAME
authority() {
    mkdir -p "$scratch/$1"
    certtool --generate-privkey --key-type=ed25519 --outfile "$scratch/$1/ca-key.pem" 2>/dev/null
    printf 'cn = test\nca\ncert_signing_key\n' >"$scratch/$1/ca.info"
    certtool --generate-self-signed --load-privkey "$scratch/$1/ca-key.pem" \
        --template "$scratch/$1/ca.info" --outfile "$scratch/$1/ca-cert.pem" 2>/dev/null
}

# host AUTHORITY NAME: a folder of certificates, $scratch/AUTHORITY.NAME
host() {
    local folder=$scratch/$1.$2 kind
    mkdir -p "$folder"
    cp "$scratch/$1/ca-cert.pem" "$folder/"
    for kind in server client; do
        certtool --generate-privkey --key-type=ed25519 --outfile "$folder/$kind-key.pem" 2>/dev/null
        printf 'cn = %s\ndns_name = %s\nip_address = %s\ntls_www_%s\nsigning_key\n' \
            "$2" "$2" "${host_address:-127.0.0.1}" "$kind" >"$folder/$kind.info"
        certtool --generate-certificate --load-privkey "$folder/$kind-key.pem" \
            --template "$folder/$kind.info" --load-ca-certificate "$scratch/$1/ca-cert.pem" \
            --load-ca-privkey "$scratch/$1/ca-key.pem" --outfile "$folder/$kind-cert.pem" 2>/dev/null
    done
}

# secure SIDE FOLDER [LINE...]
secure() {
    local side=$1 folder=$2
    shift 2
    configure "$side" "tls_certificates = $scratch/$folder" "$@"
    sed -i /plain_on_loopback/d "$scratch/$side.conf"
}

# source_as FOLDER: bitferry-source, killed and started again with these certificates
source_as() {
    kill_daemon source
    secure source "$1"
    begin_daemon source
}

# keys FILE NAME...: new ones
keys() {
    local file=$scratch/$1 name
    shift
    rm -f "$file"
    for name; do
        psktool -u "$name" -p "$file" >/dev/null 2>&1
    done
}
