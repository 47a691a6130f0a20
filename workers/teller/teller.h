/* SPDX-License-Identifier: ISC
 *
 * teller - what an administrator does with the memory on disk: the answers to posternctl greylist, reputation and
 * store, as records of common/control.h.
 *
 * teller_main is a teller_function (common/worker_setup.h), called in a child of the master's own that has dropped its
 * privileges; it opens the store to read, enters a worker's sandbox, and only then looks at what was asked. It reads
 * what is on disk itself, a slice at a time, so that it never keeps the file from using its pages again for long. It
 * writes nothing: changes are questions to the storekeeper (common/store.h), as a worker's are, and before it reads it
 * has the storekeeper write down what waits. Where nobody answers, it tells what is on disk.
 */
#ifndef POSTERN_WORKERS_TELLER_H
#define POSTERN_WORKERS_TELLER_H

#include "common/worker_setup.h"

_Noreturn void teller_main(const struct teller_setup *setup);

#endif
