/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/clock.h"

#include "daemon/deed_internal.h"

enum { MS_PER_S = 1000, WHY_MAX = 160 };

void deed_say_listed(struct buffer *to, const struct listed_entry *entry, const char *reason)
{
    char network[NETWORK_TEXT_MAX];
    network_print(&entry->network, network);
    control_begin(to, "listed");
    control_string(to, "network", network);
    control_string(to, "as", listed_as_name((enum listed_as)entry->as));
    if (entry->until_s != 0) {
        control_number(to, "left_ms", (entry->until_s - clock_wall()) * MS_PER_S);
        control_number(to, "until", entry->until_s);
    }
    control_string(to, "reason", reason);
    control_end(to);
}

/* It holds, but the file does not say so; or what somebody had written there had to make room. */
static void say_file(struct buffer *to, const struct listing *listing)
{
    bool kept = listing->unkept[0] == '\0';
    if (kept && listing->saved[0] == '\0')
        return;
    control_begin(to, "file");
    control_flag(to, "kept", kept);
    control_string(to, "not_kept", kept ? NULL : listing->unkept);
    control_string(to, "saved", listing->saved[0] != '\0' ? listing->saved : NULL);
    control_end(to);
}

/* Without argument there is nothing to do: a child lists. */
static bool put(struct deed *deed, enum listed_as as)
{
    const struct control_request *request = deed->request;
    struct listing *listing = deed->view->listing;
    struct listed_line line;
    const char *why, *try;
    if (request->count == 0)
        return true;
    if (!listed_line_parse(control_words_from(request, 0), as, clock_wall(), &line, &why, &try))
        return deed_refuse(deed, why, try);
    deed->changed = true;
    if (!listing_put(listing, &line))
        return deed_refuse(deed, "as many networks as are possible are listed",
                           "one network for several addresses; posternctl forget");
    deed_say_listed(deed->answer, &line.entry, line.reason);
    say_file(deed->answer, listing);
    return true;
}

bool deed_block(struct deed *deed)
{
    return put(deed, LISTED_BLOCKED);
}

bool deed_allow(struct deed *deed)
{
    return put(deed, LISTED_ALLOWED);
}

/* Where the address is in a network that is listed, that one is named. */
static bool refuse_unlisted(struct deed *deed, const struct network *network)
{
    struct listed_entry entry;
    char text[NETWORK_TEXT_MAX], why[WHY_MAX];
    enum listed_as as = listed_find(deed->view->listing->listed, &network->address, clock_wall(), &entry, NULL);
    if (as == LISTED_NOT)
        return deed_refuse(deed, "that is not listed", "posternctl block");
    network_print(&entry.network, text);
    snprintf(why, sizeof(why), "that is not listed; %s, in which it is, is %s", text, listed_as_name(as));
    return deed_refuse(deed, why, "forget that network, or allow or block what is to be different in it");
}

bool deed_forget(struct deed *deed)
{
    struct network network;
    if (!network_parse(deed->request->arguments[0], &network))
        return deed_refuse(deed, "that is no address and no network", "192.0.2.7, 192.0.2.0/24 or 2001:db8::/32");
    if (!listing_drop(deed->view->listing, &network))
        return refuse_unlisted(deed, &network);
    deed->changed = true;
    say_file(deed->answer, deed->view->listing);
    return true;
}
