# SPDX-License-Identifier: ISC
CC ?= gcc
BUILD := build
CPPFLAGS += -I. -D_GNU_SOURCE
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wswitch-enum -Wno-missing-field-initializers -Werror
CFLAGS ?= -O2 -g
ALLCFLAGS = -std=c11 $(WARN) $(CFLAGS) -fPIE -MMD -MP
LIBS = -lconfuse
common_o := $(patsubst %.c,$(BUILD)/%.o,$(wildcard common/*.c))
workers_o := $(patsubst %.c,$(BUILD)/%.o,$(wildcard workers/*.c workers/*/*.c))
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALLCFLAGS) -c -o $@ $<
$(BUILD)/libcommon.a: $(common_o)
	@rm -f $@; ar rcs $@ $^
$(BUILD)/libworkers.a: $(workers_o)
	@rm -f $@; ar rcs $@ $^
$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(CC) -pie -o $@ $^ $(LIBS) -lcmocka
.PRECIOUS: $(BUILD)/%.o
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
talk_o := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/talk/subject_%.c,$(wildcard tests/talk/*.c)) tests/lib/fake_clock.c)
# The fake clock stands before the library, whose clock.o is then never taken.
$(BUILD)/tests/talk/talk: $(talk_o) $(BUILD)/tests/talk/subject_session.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(CC) -pie -o $@ $^ $(LIBS)
$(BUILD)/tests/talk/toy: $(talk_o) $(BUILD)/tests/talk/subject_toy.o $(BUILD)/libcommon.a
	$(CC) -pie -o $@ $^ $(LIBS)
