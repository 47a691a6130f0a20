/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/listing.h"
#include "daemon/process.h"
#include "daemon/rundir.h"

enum { MS_PER_S = 1000, LISTING_LOOK_S = 60 };

static void log_file(const struct listing *listing, const char *state, int line, const char *why, enum level level)
{
    struct record r;
    record_begin(&r, "listed-file");
    record_string(&r, "state", state);
    record_string(&r, "path", listing->file.path != NULL ? listing->file.path : "");
    if (line > 0)
        record_number(&r, "line", (uint64_t)line);
    record_string(&r, "why", why);
    record_send(&r, level);
}

/* -- at the start */

struct opening {
    struct listing *listing;
    bool loud;
};

static void complain(void *context, int line, const char *why)
{
    const struct opening *opening = context;
    const char *path = opening->listing->file.path;
    log_file(opening->listing, "bad", line, why, LEVEL_ERROR);
    if (opening->loud && line > 0)
        dprintf(STDERR_FILENO, PROCESS_IDENT ": %s:%d: %s\n", path, line, why);
    else if (opening->loud)
        dprintf(STDERR_FILENO, PROCESS_IDENT ": %s: %s\n", path, why);
}

static int count(const struct listed *listed)
{
    int entries = 0;
    for (uint32_t i = 0; i < listed->end; i++)
        entries += listed->entries[i].as != LISTED_NOT;
    return entries;
}

void listing_open(struct listing *listing, struct listed *listed, const char *path, bool loud)
{
    struct opening opening = {listing, loud};
    char why[LISTING_WHY_MAX];
    *listing = (struct listing){.listed = listed, .file.path = path};
    if (path == NULL)
        return;
    if (!rundir_prepare(path, RUNDIR_OWN_MODE, why, sizeof(why))) {
        complain(&opening, 0, why);
        return;
    }
    listed_file_read(&listing->file, listed, clock_wall(), complain, &opening);
    struct record r;
    record_begin(&r, "listed-file");
    record_string(&r, "state", "read");
    record_string(&r, "path", path);
    record_number(&r, "entries", (uint64_t)count(listed));
    record_send(&r, LEVEL_INFO);
}

/* -- the file follows */

static void say_saved(struct listing *listing)
{
    snprintf(listing->saved, sizeof(listing->saved), "%s" LISTED_FILE_SAVED, listing->file.path);
    log_file(listing, "saved", 0, "it was not as posternd had left it, or had bad lines: what was there is beside it",
             LEVEL_WARNING);
}

static bool write_file(struct listing *listing, char *why, size_t why_size)
{
    bool saved = false;
    if (listing->file.path == NULL) {
        snprintf(why, why_size, "listed_file is not set in postern.conf, or posternd is stopping");
        return false;
    }
    bool written = listed_file_write(&listing->file, listing->listed, clock_wall(), &saved, why, why_size);
    if (saved)
        say_saved(listing);
    return written;
}

/* `asked`: by somebody who is told. What fails is logged for each of them, but not for each time it is tried again. */
static void keep(struct listing *listing, bool asked)
{
    bool failed_before = listing->unkept[0] != '\0';
    listing->saved[0] = '\0';
    if (write_file(listing, listing->unkept, sizeof(listing->unkept))) {
        listing->changed = false;
        listing->unkept[0] = '\0';
        if (failed_before)
            log_file(listing, "kept", 0, "it could be written again", LEVEL_NOTICE);
        return;
    }
    listing->changed = listing->file.path != NULL;
    listing->retry_ms = clock_deadline(LISTING_RETRY_MS);
    if (asked || !failed_before)
        log_file(listing, "not-kept", 0, listing->unkept, LEVEL_ERROR);
}

bool listing_put(struct listing *listing, const struct listed_line *line)
{
    if (!listed_add(listing->listed, &line->entry, line->reason, clock_wall()))
        return false;
    keep(listing, true);
    return true;
}

bool listing_drop(struct listing *listing, const struct network *network)
{
    if (!listed_drop(listing->listed, network))
        return false;
    keep(listing, true);
    return true;
}

/* -- from time to time */

/* When the first of them is over; CLOCK_NEVER: none ever is. */
static int64_t first_end(const struct listed *listed)
{
    int64_t first_s = CLOCK_NEVER;
    for (uint32_t i = 0; i < listed->end; i++) {
        const struct listed_entry *entry = &listed->entries[i];
        if (entry->as != LISTED_NOT && entry->until_s != 0 && entry->until_s < first_s)
            first_s = entry->until_s;
    }
    return first_s;
}

/* Not by one long wait: the wall clock may be set. */
static int64_t when_to_look(const struct listing *listing, int64_t now_ms)
{
    int64_t first_s = first_end(listing->listed);
    if (listing->changed)
        return listing->retry_ms;
    if (first_s == CLOCK_NEVER)
        return CLOCK_NEVER;
    int64_t left_s = first_s - clock_wall();
    return now_ms + (left_s < LISTING_LOOK_S ? left_s : LISTING_LOOK_S) * MS_PER_S;
}

int64_t listing_look(struct listing *listing, int64_t now_ms)
{
    if (listing->listed == NULL)
        return CLOCK_NEVER;
    if (listed_expire(listing->listed, clock_wall()) > 0 && listing->file.path != NULL)
        keep(listing, false);
    else if (listing->changed && now_ms >= listing->retry_ms)
        keep(listing, false);
    return when_to_look(listing, now_ms);
}

void listing_yield(struct listing *listing)
{
    listing->file.path = NULL;
    listing->changed = false;
}
