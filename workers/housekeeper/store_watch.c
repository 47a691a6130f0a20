/* SPDX-License-Identifier: ISC */
#include "common/clock.h"
#include "common/log.h"

#include "workers/housekeeper/store_watch.h"

static void tell(const struct store_watch *watch, bool is_silent)
{
    struct record r;
    record_begin(&r, "store");
    record_string(&r, "state", is_silent ? "silent" : "answers");
    if (is_silent)
        record_string(&r, "why", "the storekeeper does not answer; mail flows, nothing is remembered");
    record_string(&r, "directory", watch->options->directory);
    record_send(&r, is_silent ? LEVEL_ERROR : LEVEL_NOTICE);
}

void store_watch_init(struct store_watch *watch, const struct store_board *board, const struct store_options *options,
                      int64_t now_ms)
{
    bool is_there = options != NULL && options->directory != NULL;
    *watch = (struct store_watch){
        .board = board, .options = options, .look_ms = is_there ? now_ms : CLOCK_NEVER, .heard_ms = now_ms};
}

int64_t store_watch_step(struct store_watch *watch, int64_t now_ms)
{
    if (now_ms < watch->look_ms)
        return watch->look_ms;
    watch->look_ms = now_ms + STORE_WATCH_MS;
    if (store_is_alive(watch->board, watch->options->deadline_ms))
        watch->heard_ms = now_ms;
    bool is_silent = now_ms - watch->heard_ms >= STORE_WATCH_PATIENCE_MS;
    if (is_silent != watch->is_told && (is_silent || watch->heard_ms == now_ms)) {
        tell(watch, is_silent);
        watch->is_told = is_silent;
    }
    return watch->look_ms;
}
