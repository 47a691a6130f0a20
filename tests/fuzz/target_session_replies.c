/* SPDX-License-Identifier: ISC
 *
 * What inside says, and nothing else: the outside holds one of a few conversations without a fault in it. The input is
 * the number of that, and inside's answers one after the other, each behind a '|' ("||" is one '|'); behind the last of
 * them inside is content. The oracle is that of target_session.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/rig.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELLO    "|OEHLO a.test\r\n"
#define ENVELOPE "|OMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@d.test>\r\n"
#define MESSAGE  "|ODATA\r\n|OSubject: x\r\n\r\nhi\r\n.\r\n"
#define CHUNKS   "|OBDAT 12\r\nSubject: x\r\nBDAT 4 LAST\r\n\r\nhi"
#define BINARY   "|OMAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<c@d.test>\r\n" CHUNKS

static const char *const conversations[] = {
    "r" HELLO ENVELOPE MESSAGE ENVELOPE MESSAGE "|OQUIT\r\n",
    "x" HELLO ENVELOPE MESSAGE "|ORSET\r\n" ENVELOPE CHUNKS "|OQUIT\r\n",
    "g+" HELLO ENVELOPE MESSAGE "|OQUIT\r\n",
    "a" HELLO "|OAUTH LOGIN\r\n|OYQ==\r\n|OYg==\r\n" ENVELOPE MESSAGE "|OQUIT\r\n",
    "1" HELLO ENVELOPE CHUNKS "|OQUIT\r\n",
    "r" HELLO BINARY BINARY "|OQUIT\r\n",
    "kx+" HELLO ENVELOPE MESSAGE ENVELOPE MESSAGE "|OQUIT\r\n",
    "gxt" HELLO ENVELOPE "|ODATA\r\n|OSubject: x\r\n|o\r\nhi\r\n.\r\n|OQUIT\r\n",
};
enum { CONVERSATIONS = sizeof conversations / sizeof *conversations };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    rig_prepare();
    return 0;
}

/* FLAGS, then the answers as steps Q, then what the outside does. */
static size_t put_together(const char *conversation, struct slice answers, char *to, size_t size)
{
    size_t flags = strcspn(conversation, "|"), end = flags;
    memcpy(to, conversation, flags);
    for (size_t i = 0; i < answers.size && end + 3 + strlen(conversation) < size; i++) {
        bool doubled = i + 1 < answers.size && answers.at[i] == '|' && answers.at[i + 1] == '|';
        to[end++] = answers.at[i];
        if (doubled)
            to[end++] = answers.at[++i];
        else if (answers.at[i] == '|')
            to[end++] = 'Q';
    }
    size_t rest = strlen(conversation + flags);
    memcpy(to + end, conversation + flags, rest);
    return end + rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script script;
    static char text[SCRIPT_BYTES_MAX];
    struct slice answers = slice_make((const char *)data, size);
    if (size < 2 || answers.at[1] != '|')
        return 0;
    const char *conversation = conversations[(unsigned char)answers.at[0] % CONVERSATIONS];
    slice_drop(&answers, 1);
    if (script_parse(slice_make(text, put_together(conversation, answers, text, sizeof text)), &script))
        rig_play_both(&script);
    return 0;
}
