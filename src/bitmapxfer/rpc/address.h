/** Socket addresses as text, and whose they are. */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    BF_ADDRESS_HOST_MAX = 46, /* INET6_ADDRSTRLEN */
    BF_ADDRESS_KEY_BYTES = 8,
};

/** @text with @port; false if it is no IPv4 or IPv6 address. */
bool bf_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_address);

/** The address without port; IPv4 in IPv6 as IPv4. */
void bf_address_host(const struct sockaddr *address, char buf[BF_ADDRESS_HOST_MAX]);

uint16_t bf_address_port(const struct sockaddr *address);

bool bf_address_is_loopback(const struct sockaddr *address);

/** The same for all that one party can easily call from: an IPv4 address, an IPv6 /64 network. */
void bf_address_key(const struct sockaddr *address, uint8_t key[BF_ADDRESS_KEY_BYTES]);

#endif
