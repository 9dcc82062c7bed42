/* Any bytes as the XML that libvirt gives its hooks, in two pieces: what is found is a UUID. */
#include "domain_uuid.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *xml = (const char *)data;
    size_t first_bytes = size > 0 ? data[size - 1] % size : 0;
    struct domain_uuid uuid;

    domain_uuid_init(&uuid);
    (void)domain_uuid_feed(&uuid, xml, first_bytes);
    if (domain_uuid_feed(&uuid, xml + first_bytes, size - first_bytes) == DOMAIN_UUID_FOUND &&
        (strlen(uuid.text) != DOMAIN_UUID_CHARS ||
         strspn(uuid.text, "0123456789abcdef-") != DOMAIN_UUID_CHARS))
        __builtin_trap();
    domain_uuid_release(&uuid);
    return 0;
}
