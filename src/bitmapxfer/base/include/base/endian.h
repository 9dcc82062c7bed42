/** Big-endian fields at any address, as qcow2 has them. */
#ifndef BASE_ENDIAN_H
#define BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bf_be16_get(const void *from)
{
    uint16_t raw;

    memcpy(&raw, from, sizeof raw);
    return be16toh(raw);
}

static inline uint32_t bf_be32_get(const void *from)
{
    uint32_t raw;

    memcpy(&raw, from, sizeof raw);
    return be32toh(raw);
}

static inline uint64_t bf_be64_get(const void *from)
{
    uint64_t raw;

    memcpy(&raw, from, sizeof raw);
    return be64toh(raw);
}

static inline void bf_be16_put(void *to, uint16_t value)
{
    value = htobe16(value);
    memcpy(to, &value, sizeof value);
}

static inline void bf_be32_put(void *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof value);
}

static inline void bf_be64_put(void *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof value);
}

#endif
