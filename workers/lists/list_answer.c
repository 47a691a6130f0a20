/* SPDX-License-Identifier: ISC */
#include "workers/lists/list_answer.h"
#include "workers/lists/reply_pattern.h"

static bool is_named(const struct list *list, const struct ipaddr *address)
{
    for (size_t i = 0; i < list->replies.count; i++)
        if (reply_pattern_holds(slice_of(list->replies.items[i]), address))
            return true;
    return false;
}

static bool is_error(const struct list *list, const struct ipaddr *address)
{
    const uint8_t *b = address->bytes;
    if (address->family != 4 || b[0] != 127 || (b[1] == 255 && b[2] == 255))
        return true;
    return b[1] == 0 && b[2] == 0 && b[3] == 1 && !is_named(list, address);
}

enum list_answer list_judge(const struct list *list, enum dns_status status, const struct dns_record *records,
                            int count, const struct ipaddr **which_out)
{
    *which_out = NULL;
    if (status != DNS_FOUND)
        return status == DNS_NO_DATA || status == DNS_NO_NAME ? LIST_NOT_LISTED : LIST_NO_ANSWER;
    for (int i = 0; i < count; i++) {
        const struct ipaddr *address = &records[i].address;
        if (is_error(list, address)) {
            *which_out = address;
            return LIST_ERROR;
        }
        if (*which_out == NULL && (list->replies.count == 0 || is_named(list, address)))
            *which_out = address;
    }
    return *which_out != NULL ? LIST_LISTED : LIST_NOT_LISTED;
}
