/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <sys/mman.h>

#include "workers/dns.h"
#include "workers/rest.h"

enum { PAGE_BYTES = 4096, OWN_BYTES = 2048, DEPTH_BYTES = 256 * 1024 };

/* Below this function's own frame, and what it calls, nobody has anything; the stack ends somewhere there, which is no
 * matter: what is not there is left alone. */
static __attribute__((noinline)) void give_back_stack(void)
{
    uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - OWN_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
    madvise((void *)(end - DEPTH_BYTES), DEPTH_BYTES, MADV_DONTNEED);
}

bool rest(void *dns)
{
    bool all = dns == NULL || dns_rest(dns);
    give_back_stack();
    return all;
}
