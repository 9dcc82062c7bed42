/** Judging single fields of a message.  @what names the field in the error, which is always
 * PROTOCOL. */
#ifndef RPC_FIELD_H
#define RPC_FIELD_H

#include "rpc/message.h"

/** Exactly BF_RPC_ID_BYTES. */
int bf_rpc_check_id(const ProtobufCBinaryData *id, const char *what, struct bf_error *err);

/** 1 to @max_bytes without NUL. */
int bf_rpc_check_name(const ProtobufCBinaryData *name, size_t max_bytes, const char *what,
                      struct bf_error *err);

/** The same, and UTF-8 without control characters. */
int bf_rpc_check_text_name(const ProtobufCBinaryData *name, size_t max_bytes, const char *what,
                           struct bf_error *err);

/** For people: 1 to @max_bytes of UTF-8 without control characters. */
int bf_rpc_check_text(const char *text, size_t max_bytes, const char *what, struct bf_error *err);

/** A code in UPPER_SNAKE and a text. */
int bf_rpc_check_reason(const Bitferry__Reason *reason, struct bf_error *err);

/** Empty, or bytes that a DNS name or an address can have: it goes into a URI. */
int bf_rpc_check_host(const ProtobufCBinaryData *host, struct bf_error *err);

/** A size that a disk can have. */
int bf_rpc_check_disk_size(uint64_t disk_size_bytes, struct bf_error *err);

/** The same, and a granularity that a bitmap of it can have. */
int bf_rpc_check_geometry(uint64_t disk_size_bytes, uint64_t granularity_bytes,
                          struct bf_error *err);

int bf_rpc_check_sha256(const ProtobufCBinaryData *sha256, struct bf_error *err);

/** No more than @max of @what. */
int bf_rpc_check_count(size_t nr, size_t max, const char *what, struct bf_error *err);

/** The index of a disk or bitmap below @max, and above *@next, which it raises. */
int bf_rpc_check_index(uint32_t index, uint32_t max, uint32_t *next, struct bf_error *err);

/** No two of @names (which get sorted) are the same. */
int bf_rpc_check_unique(const ProtobufCBinaryData **names, size_t nr_names, const char *what,
                        struct bf_error *err);

#endif
