# shellcheck shell=bash
# Two hosts, A and B, on this machine.  Source it, then:
#
#     hosts_up FOLDER          # make them; FOLDER keeps what they write
#     hosts_run A virsh list   # a command on a host
#     hosts_daemons B restart libvirtd
#     hosts_down               # end everything that runs on them, remove FOLDER
#
# The hosts are children of this shell: they end with it, however it ends, unless HOSTS_STAY is set.
# Needs root.  BF_BUILD names the build folder.

: "${BF_BUILD:?}"
hosts_source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
HOSTS_ADDRESS_A=10.86.0.1
HOSTS_ADDRESS_B=10.86.0.2

hosts_fail() {
    printf 'hosts: %s\n' "$*" >&2
    return 1
}

hosts_address() {
    local address=HOSTS_ADDRESS_$1
    printf '%s\n' "${!address}"
}

# hosts_pid HOST: the first process of the host, if it runs.
hosts_pid() {
    local pid
    pid=$(cat "$HOSTS/$1/pid" 2>/dev/null) || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "host.sh $1 $HOSTS/" || return 1
    printf '%s\n' "$pid"
}

# hosts_run HOST COMMAND...
hosts_run() {
    local pid
    pid=$(hosts_pid "$1") || hosts_fail "host $1 is not up" || return
    shift
    env BF_BUILD="$BF_BUILD" PATH="$BF_BUILD:$PATH" LIBVIRT_DEFAULT_URI=qemu:///system \
        nsenter --target "$pid" --mount --uts --net --pid --root --wd -- "$@"
}

# hosts_daemons HOST start|stop|kill|restart DAEMON...
hosts_daemons() {
    hosts_run "$1" bash "$hosts_source/host_daemons.sh" "${@:2}"
}

# hosts_certificate KIND HOST: server or client
hosts_certificate() {
    local pki=$HOSTS/$2/etc/pki/bitferry kind=$1
    certtool --generate-privkey --key-type=ed25519 --outfile "$pki/$kind-key.pem" 2>/dev/null
    printf 'cn = host-%s\ndns_name = host-%s\nip_address = %s\ntls_www_%s\nsigning_key\n' "${2,,}" "${2,,}" \
        "$(hosts_address "$2")" "$kind" >"$HOSTS/pki/$2-$kind.info"
    certtool --generate-certificate --load-privkey "$pki/$kind-key.pem" \
        --template "$HOSTS/pki/$2-$kind.info" --load-ca-certificate "$HOSTS/pki/ca-cert.pem" \
        --load-ca-privkey "$HOSTS/pki/ca-key.pem" --outfile "$pki/$kind-cert.pem" 2>/dev/null
}

hosts_authority() {
    mkdir "$HOSTS/pki"
    certtool --generate-privkey --key-type=ed25519 --outfile "$HOSTS/pki/ca-key.pem" 2>/dev/null
    printf 'cn = hosts\nca\ncert_signing_key\n' >"$HOSTS/pki/ca.info"
    certtool --generate-self-signed --load-privkey "$HOSTS/pki/ca-key.pem" \
        --template "$HOSTS/pki/ca.info" --outfile "$HOSTS/pki/ca-cert.pem" 2>/dev/null
}

# hosts_configure HOST: what the host finds in its /etc
hosts_configure() {
    local etc=$HOSTS/$1/etc
    mkdir -p "$etc/libvirt/hooks/qemu.d" "$etc/pki/bitferry" "$HOSTS/$1/images"
    printf '127.0.0.1 localhost\n%s host-a\n%s host-b\n' "$HOSTS_ADDRESS_A" "$HOSTS_ADDRESS_B" \
        >"$etc/hosts"
    # libvirt wants its user to exist; libvirt-daemon-system, which we do without, would make it.
    { cat /etc/passwd && echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin'; } >"$etc/passwd"
    { cat /etc/group && echo 'libvirt-qemu:x:64055:' && echo 'kvm:x:64056:'; } >"$etc/group"
    cat >"$etc/libvirt/libvirtd.conf" <<-EOT
	listen_tls = 0
	listen_tcp = 1
	listen_addr = "$(hosts_address "$1")"
	auth_tcp = "none"
	auth_unix_rw = "none"
	host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
	log_outputs = "2:stderr"
	EOT
    cat >"$etc/libvirt/qemu.conf" <<-EOT
	user = "root"
	group = "root"
	dynamic_ownership = 0
	remember_owner = 0
	security_driver = "none"
	cgroup_controllers = []
	namespaces = []
	stdio_handler = "file"
	EOT
    # For people, who tell only one side of a move; tests have their own configurations
    [ -z "${HOSTS_STAY:-}" ] || {
        mkdir "$etc/bitferry"
        printf '[dest]\nmay_announce = host-*\n' >"$etc/bitferry/bitferry.conf"
    }
    # The hook as it is installed, but for the program's place; libvirt gives it no environment
    sed "s|/usr/libexec/bitferry|$BF_BUILD|" "$hosts_source/../../deploy/hooks/qemu.d/bitferry" \
        >"$etc/libvirt/hooks/qemu.d/bitferry"
    chmod +x "$etc/libvirt/hooks/qemu.d/bitferry"
    cp "$HOSTS/pki/ca-cert.pem" "$etc/pki/bitferry/"
    hosts_certificate server "$1"
    hosts_certificate client "$1"
}

# hosts_begin HOST: its namespaces
hosts_begin() {
    local command=(unshare --mount --uts --net --pid --fork --kill-child
        bash "$hosts_source/host.sh" "$1" "$HOSTS/$1") end=$((SECONDS + 30))
    if [ -n "${HOSTS_STAY:-}" ]; then
        setsid "${command[@]}" </dev/null >"$HOSTS/$1/said" 2>&1 &
    else
        setpriv --pdeathsig KILL "${command[@]}" </dev/null >"$HOSTS/$1/said" 2>&1 &
    fi
    until hosts_pid "$1" >/dev/null; do
        [ -e "/proc/$!" ] && [ "$SECONDS" -lt "$end" ] ||
            hosts_fail "host $1 cannot be made: $(cat "$HOSTS/$1/said")" || return
        sleep 0.02
    done
    disown
}

# One cable between them.
hosts_connect() {
    local host
    ip link add name bf0 netns "$(hosts_pid A)" type veth peer name bf0 netns "$(hosts_pid B)"
    for host in A B; do
        hosts_run "$host" ip address add "$(hosts_address "$host")/24" dev bf0
        hosts_run "$host" ip link set bf0 up
    done
}

# hosts_up FOLDER [DAEMON...]: both hosts with these daemons, all if none is named.
hosts_up() {
    local host
    [ ! -e "$1" ] || hosts_fail "$1 is there already: end those hosts first" || return
    mkdir -p "$1"
    HOSTS=$(cd "$1" && pwd)
    shift
    [ $# -gt 0 ] || set -- libvirtd bitferry-source bitferry-dest
    mkdir "$HOSTS/shared"
    hosts_authority
    for host in A B; do
        hosts_configure "$host" && hosts_begin "$host" || return
    done
    hosts_connect
    hosts_daemons A start "$@" &
    hosts_daemons B start "$@" && wait $!
}

# What runs on a host is killed by the kernel as soon as its first process is.
hosts_down() {
    local host pid
    for host in A B; do
        pid=$(hosts_pid "$host") || continue
        kill -KILL "$pid"
        while [ -e "/proc/$pid" ]; do
            sleep 0.02
        done
    done
    rm -rf --one-file-system "${HOSTS:?}"
}
