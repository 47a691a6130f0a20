/* SPDX-License-Identifier: ISC
 *
 * The whole session: both sides play a script (script.h). The oracle is the laws, see witness.h and rig.c: L1, L2, L3,
 * L9, L10, L11 at every octet; descriptors and guests are level after it; nothing of an earlier session is told (L8);
 * and where nothing but the outside's octets matters, the same ones cut differently have the same effect.
 */
#include "tests/fuzz/rig.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    rig_prepare();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script script;
    if (script_parse(slice_make((const char *)data, size), &script))
        rig_play_both(&script);
    return 0;
}
