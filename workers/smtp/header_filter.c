/* SPDX-License-Identifier: ISC */
#include "workers/smtp/header_filter.h"

static bool is_folded(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice take(struct slice *input, size_t size)
{
    struct slice run = slice_make(input->at, size);
    slice_drop(input, size);
    return run;
}

/* Up to and with the LF that ends this line, or all; *is_whole_out: it is there. */
static size_t measure_line(struct slice input, bool *is_whole_out)
{
    const char *lf = memchr(input.at, '\n', input.size);
    *is_whole_out = lf != NULL;
    return lf == NULL ? input.size : (size_t)(lf - input.at) + 1;
}

static bool may_begin(const struct header_filter *filter, struct slice rest)
{
    return filter->state == FILTER_LINE_START && filter->id.size > 0 && results_field_may_begin(rest);
}

/* Lines that are none of ours, at once: up to one that may be. */
static struct slice take_kept(struct header_filter *filter, struct slice *input)
{
    struct slice rest = *input;
    if (filter->ended)
        return take(input, input->size);
    while (rest.size > 0 && !may_begin(filter, rest)) {
        bool is_whole;
        slice_drop(&rest, measure_line(rest, &is_whole));
        filter->state = is_whole ? FILTER_LINE_START : FILTER_KEPT;
    }
    return take(input, input->size - rest.size);
}

static enum filter_event settle(struct header_filter *filter, enum results_owner owner, bool at_line_start)
{
    if (owner == RESULTS_UNDECIDED)
        return FILTER_HOLD;
    if (owner == RESULTS_FOREIGN) {
        filter->state = at_line_start ? FILTER_LINE_START : FILTER_KEPT;
        return FILTER_KEEP;
    }
    filter->removed++;
    filter->state = at_line_start ? FILTER_DROPPED_LINE : FILTER_DROPPED;
    return FILTER_DROP;
}

static enum filter_event take_undecided(struct header_filter *filter, struct slice *input, struct slice *run_out)
{
    enum results_owner owner = RESULTS_UNDECIDED;
    size_t i = 0;
    while (owner == RESULTS_UNDECIDED && i < input->size) {
        char c = input->at[i];
        if (filter->state == FILTER_NEXT_LINE && !is_folded(c)) {
            owner = results_field_end(&filter->field, filter->id);
            break;
        }
        owner = results_field_feed(&filter->field, filter->id, c);
        filter->state = c == '\n' ? FILTER_NEXT_LINE : FILTER_UNDECIDED;
        i++;
    }
    *run_out = take(input, i);
    return settle(filter, owner, filter->state == FILTER_NEXT_LINE);
}

static struct slice take_dropped(struct header_filter *filter, struct slice *input)
{
    struct slice rest = *input;
    while (rest.size > 0 && (filter->state == FILTER_DROPPED || is_folded(*rest.at))) {
        bool is_whole;
        slice_drop(&rest, measure_line(rest, &is_whole));
        filter->state = is_whole ? FILTER_DROPPED_LINE : FILTER_DROPPED;
    }
    if (rest.size > 0)
        filter->state = FILTER_LINE_START;
    return take(input, input->size - rest.size);
}

/* The line's rest; whatever is behind it goes inside. */
static struct slice take_last(struct header_filter *filter, struct slice *input)
{
    size_t size = measure_line(*input, &filter->ended);
    if (filter->ended)
        filter->state = FILTER_KEPT;
    return take(input, size);
}

enum filter_event header_filter_next(struct header_filter *filter, struct slice *input, struct slice *run_out)
{
    if (input->size == 0)
        return FILTER_MORE;
    if (may_begin(filter, *input)) {
        filter->state = FILTER_UNDECIDED;
        filter->field = (struct results_field){0};
    }
    switch (filter->state) {
    case FILTER_LINE_START:
    case FILTER_KEPT:
        *run_out = take_kept(filter, input);
        return FILTER_KEEP;
    case FILTER_UNDECIDED:
    case FILTER_NEXT_LINE:
        return take_undecided(filter, input, run_out);
    case FILTER_DROPPED:
    case FILTER_DROPPED_LINE:
        *run_out = take_dropped(filter, input);
        return FILTER_DROP;
    case FILTER_DROPPED_LAST:
        *run_out = take_last(filter, input);
        return FILTER_DROP;
    }
    return FILTER_MORE;
}

enum filter_event header_filter_finish(struct header_filter *filter)
{
    enum filter_event event = FILTER_KEEP;
    if (filter->state == FILTER_UNDECIDED || filter->state == FILTER_NEXT_LINE)
        event = settle(filter, results_field_end(&filter->field, filter->id), true);
    /* The name would not end, and it was no field after all: the line goes as a whole. */
    filter->ended = filter->state != FILTER_DROPPED && filter->state != FILTER_DROPPED_LAST;
    filter->state = filter->ended ? FILTER_KEPT : FILTER_DROPPED_LAST;
    return event;
}
