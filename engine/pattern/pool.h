/* A pool of 64 KiB chunks shared by the queues of one engine: bursts do not go to the allocator each turn,
 * and idle peers hold none. Knows buffers only. */
#ifndef SB_POOL_H
#define SB_POOL_H

#include "engine/buf.h"

#define SB__POOL_CHUNK 65536
#define SB__POOL_LARGE (1024 * 1024)

typedef struct sb__pool sb__pool;

/* A pool that keeps at most `keep` unused chunks; NULL when out of memory. */
sb__pool *sb__pool_create(uint32_t keep);
/* Chunks still in use stay valid; the last one takes the pool with it. NULL is allowed. */
void sb__pool_destroy(sb__pool *pool);
/* A buffer of SB__POOL_CHUNK octets with one reference; NULL when out of memory. */
sb_buf *sb__pool_get(sb__pool *pool);
/* One of `need` octets at least, more than SB__POOL_CHUNK and at most SB__POOL_LARGE. */
sb_buf *sb__pool_get_large(sb__pool *pool, size_t need);

#endif
