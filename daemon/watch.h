/* SPDX-License-Identifier: ISC
 *
 * watch - the master's side of watching files: inotify on the directories in which their names lie.
 *
 * Directories, not files: whoever replaces a certificate renames a new file over the old one, or turns a symbolic link
 * to another file. So each link on the way to a file has its directory watched, too (certbot: live/mx/fullchain.pem is
 * a link to archive/mx/fullchain7.pem), and where a part of the way is missing, the last directory that is there. The
 * master never reads the descriptor; the housekeeper does, who need not see these directories himself.
 *
 * Its events say that something happened near the files, not that one of them has changed: logs may be written there
 * all day. Whether one has is asked of the files themselves (watch_mark).
 *
 * Open it before the files are read, so that no change falls between, and anew whenever other files are read: it does
 * not follow links that were turned, nor directories that were removed and came back.
 */
#ifndef POSTERN_DAEMON_WATCH_H
#define POSTERN_DAEMON_WATCH_H

#include <stdint.h>

/* An inotify descriptor, non-blocking and close-on-exec; -1 with errno when there can be none. A directory that cannot
 * be watched is logged (event=watch-failed) and left out; so is that there is no descriptor. `files` are absolute paths
 * and need not be there. */
int watch_open(const char *const *files, int count);

/* Which files these names lead to now, how large they are and when they were changed, in one number; a name that leads
 * to none counts, too. Equal: they are what they were, nothing was written, replaced, or turned to another file. */
uint64_t watch_mark(const char *const *files, int count);

#endif
