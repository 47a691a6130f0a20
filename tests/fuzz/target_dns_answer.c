/* SPDX-License-Identifier: ISC
 *
 * An answer of DNS. The first octet says for which type it is read; behind it is the message, or, where that octet is
 * large, the answer section alone, behind a header and a question that are well. Names that come out are names, texts
 * and addresses have their sizes, mail exchangers their order; what is given lies in the answer's own memory and says
 * the same when it is read again. Who says that records are there, or that there are none, says so of a message that is
 * an answer with a good code, by its header as RFC 1035 has it; and an address that was found stands in the message, as
 * a text's beginning does.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/dns_answer.h"

enum { HEADER_OCTETS = 12, SECTION_ALONE = 128, MESSAGE_MAX = 65535 };

static struct dns_answer answer, again;

static bool is_name(const char *name)
{
    size_t size = strlen(name), label = 0;
    if (size == 0)
        return true; /* the root, of MX */
    for (size_t i = 0; i <= size; i++) {
        bool ends = i == size || name[i] == '.';
        if (ends && (label == 0 || label > 63))
            return false;
        label = ends ? 0 : label + 1;
        if (!ends && strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", name[i]) == NULL)
            return false;
    }
    return size <= 253;
}

static bool is_own(const char *at, size_t size)
{
    return at >= answer.text && size <= sizeof answer.text && at + size <= answer.text + sizeof answer.text;
}

static bool holds(struct slice message, const void *octets, size_t size)
{
    return size == 0 || (message.size >= size && memmem(message.at, message.size, octets, size) != NULL);
}

/* In AAAA one that is mapped (::ffff:192.0.2.1) is IPv4's (ipaddr.h), and no other is. */
static void check_address(enum dns_type type, const struct ipaddr *address, struct slice message)
{
    unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff};
    memcpy(mapped + 12, address->bytes, 4);
    bool is_mapped = type == DNS_AAAA && address->family == 4, is_ipv6 = type == DNS_AAAA && !is_mapped;
    law(address->family == (is_ipv6 ? 6 : 4), "an address of family %d", address->family);
    law(!is_ipv6 || memcmp(address->bytes, mapped, 12) != 0, "a mapped address as one of IPv6");
    law(holds(message, is_mapped ? mapped : address->bytes, type == DNS_A ? 4 : 16), "an address of its own");
}

static void check_record(enum dns_type type, const struct dns_record *record, struct slice message)
{
    if (type == DNS_MX || type == DNS_PTR) {
        law(record->name != NULL && is_own(record->name, strlen(record->name) + 1), "a name that lies elsewhere");
        law(is_name(record->name) && (type == DNS_MX || record->name[0] != '\0'), "no name: %s", record->name);
    } else if (type == DNS_TXT) {
        law(record->text.size <= DNS_TEXT_MAX && is_own(record->text.at, record->text.size), "a text that is too long");
        law(record->text.size == 0 || holds(message, record->text.at, 1), "a text of its own");
    } else {
        check_address(type, &record->address, message);
    }
}

static void check_header(struct slice message, enum dns_status status)
{
    const unsigned char *octets = (const unsigned char *)message.at;
    law(message.size >= HEADER_OCTETS, "an answer without a header");
    int code = octets[3] & 15;
    law((octets[2] & 0x80) != 0, "a question that is an answer");
    law((octets[2] & 0x02) == 0, "an answer that was cut");
    law(code == (status == DNS_NO_NAME ? 3 : 0), "a code of %d", code);
    law(status != DNS_FOUND || octets[6] != 0 || octets[7] != 0, "records of none");
}

static bool same(const struct dns_record *a, const struct dns_record *b)
{
    return memcmp(&a->address, &b->address, sizeof a->address) == 0 && a->preference == b->preference &&
           (a->name != NULL) == (b->name != NULL) && (a->name == NULL || strcmp(a->name, b->name) == 0) &&
           law_same(a->text, b->text);
}

static void check(enum dns_type type, struct slice message)
{
    enum dns_status status = dns_answer_parse(&answer, type, (const unsigned char *)message.at, (int)message.size);
    law(status == DNS_FOUND || status == DNS_NO_DATA || status == DNS_NO_NAME || status == DNS_FAILED, "no status");
    law((status == DNS_FOUND) == (answer.count > 0), "%d records, and it says %s", answer.count,
        dns_status_name(status));
    law(answer.count <= DNS_RECORDS_MAX, "%d records", answer.count);
    if (status != DNS_FAILED)
        check_header(message, status);
    for (int i = 0; i < answer.count; i++) {
        check_record(type, &answer.records[i], message);
        law(type != DNS_MX || i == 0 || answer.records[i - 1].preference <= answer.records[i].preference, "no order");
    }
    law(dns_answer_parse(&again, type, (const unsigned char *)message.at, (int)message.size) == status &&
            again.count == answer.count && again.cut == answer.cut,
        "something else the second time");
    for (int i = 0; i < answer.count; i++)
        law(same(&answer.records[i], &again.records[i]), "another record the second time");
}

FUZZ
{
    static const char head[] = "\x12\x34\x81\x80\0\1\0\4\0\0\0\0\1a\4test\0\0\1\0\1";
    static char whole[MESSAGE_MAX];
    unsigned char how = law_take_octet(&input);
    enum dns_type type = (enum dns_type)(how % DNS_TYPES);
    if (how < SECTION_ALONE) {
        check(type, input);
        return;
    }
    if (input.size > sizeof whole - sizeof head)
        return;
    memcpy(whole, head, sizeof head - 1);
    memcpy(whole + sizeof head - 1, input.at, input.size);
    struct slice message = law_copy(slice_make(whole, sizeof head - 1 + input.size));
    check(type, message);
    law_free(message);
}
