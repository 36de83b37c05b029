/* Memory for secrets that must not be found: no core dump holds it, and it is wiped when it goes. Each piece
 * has pages of its own, so it is for few pieces or for short. Knows the kernel; no keys, no peers. */
#ifndef SB_BASE_SECRET_H
#define SB_BASE_SECRET_H

#include <stddef.h>

/* `len` octets of zeros; NULL when out of memory. End it with sb__secret_free, which wants the same length.
 */
void *sb__secret_alloc(size_t len);
/* NULL is allowed. */
void sb__secret_free(void *memory, size_t len);

#endif
