/* SPDX-License-Identifier: ISC
 *
 * mailboxes - the recipients that are there: written in the configuration or in files, compiled before workers are
 * forked. A million cost a look no more than one (common/nameset.h). What stands in a file behind a recipient is not
 * read: Postfix's relay_recipient_maps has such files.
 *
 * A list that holds nothing is refused, as a file that was cut off would be: nobody would be there any more.
 */
#ifndef POSTERN_WORKERS_MAILBOXES_H
#define POSTERN_WORKERS_MAILBOXES_H

#include "workers/check.h"
#include "workers/smtp/address.h"

struct mailboxes;

/* In a block's check: what an item of `option` must be. */
bool mailboxes_check(struct config *config, const void *filled, const char *option, const struct text_list *list);
const char *mailboxes_file(const struct text_list *list, size_t number); /* NULL: there are no more */

/* Of no list at all, too. NULL: what is wrong with `option`; option NULL: no memory. */
struct mailboxes *mailboxes_new(const char *option, const struct text_list *list, struct check_fault *fault_out);
void mailboxes_free(struct mailboxes **mailboxes);

/* As it stands, or as what comes before the first `delimiter` (0: none): ann+list@ is ann@. */
bool mailboxes_hold(const struct mailboxes *mailboxes, const struct path *path, char delimiter);

#endif
