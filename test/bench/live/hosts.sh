# shellcheck shell=bash
# Two hosts for the live bench, A and B, each with both daemons.  Behind test/integration/move/lib.sh.
#
#     hosts_begin unix      both here; QEMUs talk over Unix sockets, daemons over loopback, without TLS
#     hosts_begin veth      a network namespace each, joined by a link held to 1 Gbit/s, TLS; needs root
#     hosts_end             its processes, and with them the namespaces and the link
#
# $run_on[HOST] is the command that runs another one on that host.  For what is on them afterwards:
# $address[HOST], $daemon[ROLE-HOST], order_at ROLE HOST COMMAND..., wire_bytes, uri_of KIND HOST.

declare -A address port_of host_pid
host_children=()
link_mbit=1000

# a network namespace that lives as long as its process
begin_namespace() {
    run_child unshare --net sleep infinity
    host_pid[$1]=$child
    host_children+=("$child")
    wait_for 10 other_network "$child"
    run_on[$1]="nsenter --target $child --net --"
    ${run_on[$1]} ip link set lo up
}

other_network() {
    [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# The token bucket holds what may go at once: 128 KiB is a millisecond of the link.
begin_link() {
    local host
    begin_namespace A
    begin_namespace B
    ${run_on[A]} ip link add link-A type veth peer name link-B netns "${host_pid[B]}"
    for host in A B; do
        ${run_on[$host]} ip address add "${address[$host]}/24" dev "link-$host"
        ${run_on[$host]} ip link set "link-$host" up
        ${run_on[$host]} tc qdisc add dev "link-$host" root tbf rate "${link_mbit}mbit" \
            burst 128kb latency 50ms
    done
    make_certificates
}

# certificate NAME TEMPLATE-LINE...: signed by our authority, in $scratch/pki
certificate() {
    local name=$1
    shift
    printf '%s\n' "$@" >"$scratch/pki/template"
    certtool --generate-privkey --key-type=ed25519 --outfile "$scratch/pki/$name-key.pem"
    if [ "$name" = ca ]; then
        certtool --generate-self-signed --load-privkey "$scratch/pki/ca-key.pem" \
            --template "$scratch/pki/template" --outfile "$scratch/pki/ca-cert.pem"
    else
        certtool --generate-certificate --load-privkey "$scratch/pki/$name-key.pem" \
            --template "$scratch/pki/template" --load-ca-certificate "$scratch/pki/ca-cert.pem" \
            --load-ca-privkey "$scratch/pki/ca-key.pem" --outfile "$scratch/pki/$name-cert.pem"
    fi
}

# One folder does for both hosts: nobody is to be kept out here, but the encryption is to be paid for.
make_certificates() {
    local kind
    mkdir -p "$scratch/pki"
    {
        certificate ca 'cn = bench' ca cert_signing_key
        for kind in server client; do
            certificate "$kind" 'cn = bench' "ip_address = ${address[A]}" "ip_address = ${address[B]}" \
                "tls_www_$kind" signing_key
        done
    } 2>/dev/null
}

# host_configure ROLE HOST
host_configure() {
    mkdir -p "$scratch/carriers"
    {
        printf '%s\n' "[$1]" "state_dir = $scratch/$1-$2.state" "run_dir = $scratch/$1-$2.run" \
            "carrier_dir = $scratch/carriers" ${trace:+"log_level = debug"} "address = ${address[$2]}" "port = ${port_of[$2]}"
        if [ "$link" = unix ]; then
            printf 'plain_on_loopback = yes\n'
        else
            printf '%s\n' "host = ${address[$2]}" "tls_certificates = $scratch/pki"
        fi
    } >"$scratch/$1-$2.conf"
}

host_daemon() {
    local name=$1-$2
    host_configure "$1" "$2"
    : >"$scratch/$name.log"
    run_child ${run_on[$2]:-} "$BF_BUILD/bitferry-$1" --config "$scratch/$name.conf" 2>>"$scratch/$name.log"
    daemon[$name]=$child
    host_children+=("$child")
    wait_for 30 grep -q 'ready at' "$scratch/$name.log"
}

hosts_begin() {
    local host
    link=$1
    if [ "$link" = veth ]; then
        address=([A]=10.87.0.1 [B]=10.87.0.2)
        port_of=([A]=10810 [B]=10810)
        begin_link
    else
        address=([A]=127.0.0.1 [B]=127.0.0.1)
        port_of=([A]=$port [B]=$((port + 1)))
    fi
    for host in A B; do
        host_daemon source "$host"
        host_daemon dest "$host"
    done
}

hosts_end() {
    local pid at
    for ((at = ${#host_children[@]} - 1; at >= 0; at--)); do
        pid=${host_children[at]}
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    host_children=() run_on=()
}

# order_at ROLE HOST COMMAND...
order_at() {
    "$BITFERRY" "$3" --socket "$scratch/$1-$2.run/control.sock" "${@:4}"
}

# wire_bytes: what has gone over the link so far, both ways; there is none to look at with `unix`
wire_bytes() {
    [ "$link" = veth ] || return 0
    ${run_on[A]} awk '$1 == "link-A:" { printf "%.0f\n", $2 + $10 }' /proc/net/dev
}

# server_of HOST: where its QEMU serves its disk to the mirror, as QEMU's SocketAddress
server_of() {
    if [ "$link" = unix ]; then
        jq -nc --arg path "$scratch/$1.nbd" '{type:"unix",path:$path}'
    else
        jq -nc --arg host "${address[$1]}" '{type:"inet",host:$host,port:"10809"}'
    fi
}

# ram_uri HOST: where its QEMU awaits the memory
ram_uri() {
    if [ "$link" = unix ]; then
        printf 'unix:%s' "$scratch/$1.ram"
    else
        printf 'tcp:%s:4444' "${address[$1]}"
    fi
}
