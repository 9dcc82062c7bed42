#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* NULL: it is IPv6. */
static const uint8_t *ipv4_bytes(const struct sockaddr *address)
{
    const struct sockaddr_in6 *ipv6 = (const void *)address;

    if (address->sa_family == AF_INET)
        return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    return IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr) ? &ipv6->sin6_addr.s6_addr[12] : NULL;
}

bool bf_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    *ret_address = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1)
        memcpy(ret_address, &ipv4, sizeof ipv4);
    else if (inet_pton(AF_INET6, text, &ipv6.sin6_addr) == 1)
        memcpy(ret_address, &ipv6, sizeof ipv6);
    else
        return false;
    return true;
}

void bf_address_host(const struct sockaddr *address, char buf[BF_ADDRESS_HOST_MAX])
{
    const uint8_t *ipv4 = ipv4_bytes(address);
    const struct sockaddr_in6 *ipv6 = (const void *)address;

    (void)inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? (const void *)ipv4 : &ipv6->sin6_addr, buf,
                    BF_ADDRESS_HOST_MAX);
}

/* At the same place in both families. */
uint16_t bf_address_port(const struct sockaddr *address)
{
    return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

bool bf_address_is_loopback(const struct sockaddr *address)
{
    const uint8_t *ipv4 = ipv4_bytes(address);

    if (ipv4)
        return ipv4[0] == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

void bf_address_key(const struct sockaddr *address, uint8_t key[BF_ADDRESS_KEY_BYTES])
{
    const uint8_t *ipv4 = ipv4_bytes(address);
    const struct sockaddr_in6 *ipv6 = (const void *)address;

    memset(key, 0, BF_ADDRESS_KEY_BYTES);
    if (ipv4)
        memcpy(key, ipv4, 4);
    else
        memcpy(key, &ipv6->sin6_addr, BF_ADDRESS_KEY_BYTES);
}
