# SPDX-License-Identifier: ISC
#
# `make help` says what there is. One Makefile for everything; what it builds lies in build/plain, and with SANITIZE=1
# in build/sanitize, side by side.

PREFIX ?= /usr/local
DESTDIR ?=
SANITIZE ?= 0
V ?= 0

CC := gcc
BUILD := build/$(if $(filter 1,$(SANITIZE)),sanitize,plain)

# What Debian 12 must have. `all` needs the first line only.
BUILD_PACKAGES := gcc libc6-dev pkg-config libconfuse-dev libssl-dev libjansson-dev libncurses-dev libseccomp-dev \
                  libc-ares-dev libspf2-dev liblmdb-dev
TEST_PACKAGES := libcmocka-dev python3 python3-pytest postfix openssl mandoc git gdb systemd swaks libnet-ssleay-perl \
                 strace haproxy sasl2-bin libsasl2-modules ca-certificates clang libclang-rt-14-dev iproute2 \
                 python3-yaml

# Servers for the tests, unpacked below build/servers, with what they need that is not installed: inside servers, which
# exclude each other and Postfix, and name servers, which would want port 53.
SERVERS := sendmail exim opensmtpd nsd unbound
sendmail_PACKAGES := sendmail-bin sendmail-cf m4
exim_PACKAGES := exim4-daemon-heavy
opensmtpd_PACKAGES := opensmtpd
nsd_PACKAGES := nsd
unbound_PACKAGES := unbound

# What `bench` needs: fronts to compare with, and what sends.
BENCH_PACKAGES := python3 postfix haproxy openssl iproute2
nginx_PACKAGES := nginx-light libnginx-mod-mail

# The libraries, by their pkg-config names (libspf2 has none). Asked for at the first use and then remembered: not before
# `deps` was there.
LIBRARIES := libconfuse openssl libseccomp libcares lmdb
library_cflags = $(eval library_cflags := $$(shell pkg-config --cflags $(LIBRARIES)))$(library_cflags)
library_libs = $(eval library_libs := $$(shell pkg-config --libs $(LIBRARIES)) -lspf2)$(library_libs)
ctl_libs = $(eval ctl_libs := $$(shell pkg-config --libs jansson ncursesw))$(ctl_libs)
cmocka_libs = $(eval cmocka_libs := $$(shell pkg-config --libs cmocka))$(cmocka_libs)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wswitch-enum \
            -Wno-missing-field-initializers -Werror
X86_HARDENING := $(if $(filter x86_64 i686,$(shell uname -m)),-fcf-protection)
ifeq ($(SANITIZE),1)
# Sanitizers tell lines, and no debugger looks: -g1. There are some ninety links, and gold takes half of the time.
FLAVOUR := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINKER := -fuse-ld=gold
else
FLAVOUR := -O2 -g -fstack-protector-strong -fstack-clash-protection $(X86_HARDENING) -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
# CPPFLAGS, CFLAGS and LDFLAGS are left to whoever builds a package.
COMPILE = $(CC) -std=c11 -I. -D_GNU_SOURCE $(WARNINGS) $(FLAVOUR) -fPIE -MMD -MP $(library_cflags) $(CPPFLAGS) $(CFLAGS)
LINK = $(CC) $(FLAVOUR) -pie $(LINKER) -Wl,-z,relro,-z,now $(CFLAGS) $(LDFLAGS)

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)))
common_o := $(call objects,common/*.c)
workers_o := $(call objects,workers/*.c workers/*/*.c)
main_o := $(BUILD)/daemon/main.o
daemon_o := $(filter-out $(main_o),$(call objects,daemon/*.c))
ctl_o := $(call objects,daemon/ctl/*.c)
sink_o := $(call objects,tests/sink/*.c)
talk_o := $(filter-out %/subject_session.o %/subject_toy.o,$(call objects,tests/talk/*.c tests/lib/*.c))
talks := $(patsubst tests/talk/subject_%.c,$(BUILD)/talk-%,$(wildcard tests/talk/subject_*.c))
unit_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*_test.c))
programs := $(BUILD)/posternd $(BUILD)/posternctl $(BUILD)/sink
libraries := $(BUILD)/libdaemon.a $(BUILD)/libworkers.a $(BUILD)/libcommon.a

load_o := $(call objects,tests/bench/load.c tests/bench/caller.c tests/bench/secure.c)
bench_programs := $(BUILD)/bench-load $(BUILD)/bench-crowd $(BUILD)/bench-body $(BUILD)/bench-relay $(BUILD)/bench-swarm $(BUILD)/bench-nodelay.so

# As many jobs as there are processors, unless somebody said how many.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc) --output-sync=target
endif
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $@;)

.PHONY: all run test tests fuzz sink arch fault memory bench bench-board bench-hold bench-swarm bench-growth bench-sandbox bench-access bench-store bench-greylist soak install uninstall deps build-deps bench-deps swarm-deps servers clean bench-policy name-servers help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(programs)

help:
	@echo 'make            build the daemon and posternctl (and the sink, a test server): $(BUILD)/posternd'
	@echo 'make run        build, start it before a small inside server, send one message through, stay (ONCE=1: end)'
	@echo 'make test       everything that must stay true, plain and sanitized; as root'
	@echo 'make tests      build the unit tests, the talk runner and the tools of the bench only'
	@echo 'make fuzz       each fuzz target for SECONDS=5, side by side (TARGET=name: that one); finds: build/fuzz/found'
	@echo 'make sink       build the sink only: $(BUILD)/sink'
	@echo 'make arch       layers, sizes, banned functions, symbols of the master, the map of files in README'
	@echo 'make fault      faults of protocol and machine at every step, judged by three logs, and the proof of that judge; as root'
	@echo 'make memory     what a worker costs, idle and after TLS, beside a child that does nothing'
	@echo 'make bench      rates, times and CPU beside other fronts, medians of REPEAT=5; LOADS= FRONTS= LOG=none'
	@echo 'make bench-hold  what COUNT=10000 held sessions cost, and what senders notice beside them; REPEAT=3; as root'
	@echo 'make bench-swarm  a botnet and legitimate senders before other fronts and Postern: who gets in, at what cost; FRONTS= SCENARIOS='
	@echo '                SECONDS=60 REPEAT=1 MAX_WORKERS="8000 500 2000" OPTIONS="policy.crowd.delay=2s" (posternd -o); half an hour; as root'
	@echo 'make bench-growth  from 10 workers to 5,000 and back, with the sandbox and without; as root'
	@echo 'make soak       a million sessions, reloads and upgrades: does anything grow? A quarter of an hour; as root'
	@echo 'make bench-sandbox  what the sandbox of workers costs, rates with it and without; REPEAT=9; as root'
	@echo 'make bench-policy  what all checks cost, DNS from a resolver that caches: rates with them and without; REPEAT=5; as root'
	@echo 'make bench-board  what the limits of a connection cost on a full table, and a concurrency rule'
	@echo 'make bench-access  what lists of a million networks and names cost: loading, a look, memory'
	@echo 'make bench-store  what a memory on disk of RECORDS=5000000 costs in SIZE_MIB=1024: writing, opening, cleaning while it is asked'
	@echo 'make bench-greylist  what the memory on disk bears: decisions a second of 8 workers, waits, commits; ENTRIES=5000000: as'
	@echo '                many are there before; SECONDS=10 RATE=10000 DIRECTORY=build/bench/store'
	@echo 'make install    to $$(DESTDIR)$$(PREFIX), PREFIX=$(PREFIX); configuration to $$(DESTDIR)/etc/postern; the user postern'
	@echo 'make uninstall  take that away again; the configuration and the user stay'
	@echo 'make deps       install what is missing for building and testing (Debian; root)'
	@echo 'make servers    unpack the servers of the tests: $(SERVERS)'
	@echo 'make clean      remove build/'
	@echo
	@echo 'SANITIZE=1      with address and undefined behaviour sanitizers, in build/sanitize'
	@echo 'V=1             show the commands'
	@echo 'One file:       make $(BUILD)/common/slice.o     One unit test: make $(BUILD)/tests/unit/slice_test'

deps:
	@tests/deps $(BUILD_PACKAGES) $(TEST_PACKAGES)
build-deps:
	@tests/deps $(BUILD_PACKAGES)
servers: | deps
	@$(foreach name,$(SERVERS),tests/unpack $(name) $($(name)_PACKAGES) &&) :

# Behind the bar: it must have run, but it makes nothing old.
$(BUILD)/%.o: %.c Makefile | build-deps
	@mkdir -p $(@D)
	$(call say,CC)$(COMPILE) -c -o $@ $<

$(BUILD)/libcommon.a: $(common_o)
$(BUILD)/libworkers.a: $(workers_o)
$(BUILD)/libdaemon.a: $(daemon_o)
%.a:
	@mkdir -p $(@D)
	$(call say,AR)rm -f $@ && ar rcs $@ $^

$(BUILD)/posternd: $(main_o) $(libraries)
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)

$(BUILD)/posternctl: $(ctl_o) $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^ $(ctl_libs)

# Its workers run an attacker's code: for `fault`, never to be installed.
hostile_o := $(call objects,tests/fault/*.c tests/lib/forbidden.c)
$(BUILD)/hostile/posternd: $(main_o) $(hostile_o) $(libraries)
	@mkdir -p $(@D)
	$(call say,LINK)$(LINK) -Wl,--wrap=worker_main -Wl,--wrap=serve_session -o $@ $^ $(library_libs)

# Of a next version, and wrong on purpose where it is told to: for test_upgrade.
$(BUILD)/next/posternd: $(main_o) $(BUILD)/tests/upgrade/next.o $(libraries)
	@mkdir -p $(@D)
	$(call say,LINK)$(LINK) -Wl,--wrap=master_run,--wrap=worker_main,--wrap=scoreboard_layout -o $@ $^ $(library_libs)

sink: $(BUILD)/sink
$(BUILD)/sink: $(sink_o)
	$(call say,LINK)$(LINK) -o $@ $^

# Programs that tests run, beside their own.
test_programs := $(patsubst %,$(BUILD)/%, \
    hostile/posternd \
    next/posternd \
    wall_clock.so \
    dns-ask \
    spf-suite \
    bench-load \
    bench-crowd \
    bench-body \
    bench-relay \
    bench-board \
    bench-access \
    bench-store \
    bench-greylist \
    bench-swarm \
)
tests: $(unit_tests) $(talks) $(test_programs)

# A runner for each subject, with which talks are held: talk-session, talk-toy. Their own objects go first, so that the
# clock in tests/lib takes the place of common/clock.
$(talks): $(BUILD)/talk-%: $(BUILD)/tests/talk/subject_%.o $(talk_o) $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
$(unit_tests): $(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(libraries) | deps
	$(call say,LINK)$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(library_libs) $(cmocka_libs) -lm
# Those that own the time.
$(addprefix $(BUILD)/tests/unit/,probe_test probe_tls_test survey_test listing_test tarpit_test crowd_test minutes_test \
    rest_test): $(BUILD)/tests/lib/fake_clock.o
# .. and what DNS says.
check_tests := $(addprefix $(BUILD)/tests/unit/,rdns_check_test helo_check_test sender_check_test mailbox_check_test \
               spf_check_test greylist_check_test)
$(check_tests) $(addprefix $(BUILD)/tests/unit/,client_name_test list_tests_test lookups_test spf_test): \
    $(BUILD)/tests/lib/fake_clock.o $(BUILD)/tests/lib/fake_dns.o
# .. and what the storekeeper answers.
$(addprefix $(BUILD)/tests/unit/,greylist_check_test mailbox_check_test): $(BUILD)/tests/lib/fake_store.o
# posternctl's pure units, which no library holds.
$(addprefix $(BUILD)/tests/unit/,sparkline_test top_layout_test top_model_test top_view_test): \
    $(patsubst %,$(BUILD)/daemon/ctl/%.o,answer column sparkline top_layout top_model top_pane top_rows top_view)
$(BUILD)/tests/unit/body_test: $(BUILD)/tests/lib/body_oracle.o
$(BUILD)/tests/unit/header_filter_test: $(BUILD)/tests/lib/results_oracle.o
$(BUILD)/tests/unit/sandbox_test: $(BUILD)/tests/lib/forbidden.o
$(check_tests) $(addprefix $(BUILD)/tests/unit/,access_test limit_options_test list_options_test resolver_test): \
    $(BUILD)/tests/lib/root_block.o
$(patsubst %,%.o,$(unit_tests)): | deps
# Asks DNS as Postern does: for test_dns.
$(BUILD)/dns-ask: $(BUILD)/tests/ask/ask.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
# SPF with a DNS that a test tells it.
$(BUILD)/spf-suite: $(BUILD)/tests/spf/suite.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
# For a posternd whose wall clock a test sets.
$(BUILD)/wall_clock.so: tests/e2e/wall_clock.c Makefile | build-deps
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -fPIC -shared -o $@ $<

# Fuzzing: a build of its own, by clang, of what the targets link and nothing else. What a session has to do with the
# network is wrapped, tests/fuzz/wire takes its place, and common/clock's.
FUZZ := build/fuzz
FUZZ_FLAVOUR := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
# What is fuzzed has its edges counted, what watches it has not. No comparisons are traced: that takes half of the time,
# and words that nobody guesses are in tests/fuzz/*.dict.
FUZZ_COMPILE = clang -std=c11 -I. -D_GNU_SOURCE $(WARNINGS) $(FUZZ_FLAVOUR) -fPIE -MMD -MP $(library_cflags)
FUZZ_LINK = clang $(FUZZ_FLAVOUR) -fsanitize=fuzzer -pie
FUZZ_WRAPPED = recv send close shutdown setsockopt $(if $(filter $(fuzz_sessions),$@),net_connect) \
               $(if $(filter %/probe,$@),net_connect_begin net_connected)
fuzz_sources := $(filter-out common/config_print.c workers/worker.c,\
                $(wildcard common/*.c workers/*.c $(patsubst %,workers/%/*.c,smtp checks limits access spf lists))) \
                workers/housekeeper/probe.c workers/teller/merge.c \
                $(patsubst %,workers/storekeeper/%.c,attempt deeds ledger pending shelf shelf_check shelf_write) \
                tests/lib/body_oracle.c tests/lib/results_oracle.c tests/lib/root_block.c
fuzz_rig := law wire witness witness_inside witness_outside witness_message inside_server script subject rig
fuzz_targets := $(patsubst tests/fuzz/target_%.c,$(FUZZ)/%,$(wildcard tests/fuzz/target_*.c))
fuzz_sessions := $(filter $(FUZZ)/session%,$(fuzz_targets)) $(FUZZ)/session-broken
fuzz_table := $(FUZZ)/tests/lib/scripted_check.o $(FUZZ)/tests/lib/template_check.o
fuzz_object = $(patsubst %,$(FUZZ)/tests/fuzz/%.o,$(1))
comma := ,

$(FUZZ)/%.o: %.c Makefile | deps
	@mkdir -p $(@D)
	$(call say,FUZZ)$(FUZZ_COMPILE) $(if $(filter tests/%,$<),,-fsanitize-coverage=inline-8bit-counters$(comma)pc-table) -c -o $@ $<
$(FUZZ)/libfuzz.a: $(patsubst %.c,$(FUZZ)/%.o,$(fuzz_sources))
$(fuzz_targets): $(FUZZ)/%: $(FUZZ)/tests/fuzz/target_%.o $(call fuzz_object,law) $(FUZZ)/libfuzz.a
	$(call say,LINK)$(FUZZ_LINK) -o $@ $(fuzz_wrap) $(filter %.o,$^) $(filter %.a,$^) $(library_libs)
$(fuzz_sessions): $(call fuzz_object,$(fuzz_rig)) $(fuzz_table)
$(FUZZ)/stream $(FUZZ)/probe: $(call fuzz_object,wire)
$(fuzz_sessions) $(FUZZ)/stream $(FUZZ)/probe: fuzz_wrap = $(patsubst %,-Wl$(comma)--wrap=%,$(FUZZ_WRAPPED))
# .. and sessions that are wrong on purpose, which the witness must catch.
FUZZ_BROKEN := body_next stream_write stream_fill stream_abort translate inside_hear session_reply session_spoke_early \
               reply_reader_line xclient_print results_field_feed
$(FUZZ)/session-broken: $(call fuzz_object,target_session broken law $(fuzz_rig)) $(fuzz_table) $(FUZZ)/libfuzz.a
	$(call say,LINK)$(FUZZ_LINK) -o $@ $(fuzz_wrap) \
	$(patsubst %,-Wl$(comma)--wrap=%,$(FUZZ_BROKEN)) $(sort $(filter %.o,$^)) $(filter %.a,$^) $(library_libs)

# make fuzz SECONDS=5 TARGET=session: all targets side by side, or one. How to replay an input: tests/fuzz/run says.
fuzz: deps
	@tests/fuzz/run --seconds $(or $(SECONDS),5) $(TARGET)

run: deps all
	@tests/run

test: deps servers
	@tests/all

arch: deps $(libraries)
	@tests/arch $(BUILD)

fault: deps all $(BUILD)/hostile/posternd $(BUILD)/next/posternd
	@tests/fault/run --build $(BUILD)

memory: deps all
	@POSTERN_BUILD=$(BUILD) tests/memory

# A measurement wants nothing else running: no job beside it.
bench-deps:
	@tests/deps $(BENCH_PACKAGES)
	@tests/unpack nginx $(nginx_PACKAGES)
bench: all $(bench_programs) | bench-deps
	@POSTERN_BUILD=$(BUILD) tests/bench/run --repeat $(or $(REPEAT),5) --log $(or $(LOG),syslog) --loads '$(LOADS)' --fronts '$(FRONTS)'
bench-sandbox: all $(bench_programs) | bench-deps
	@POSTERN_BUILD=$(BUILD) tests/bench/run --repeat $(or $(REPEAT),9) --loads 'w1 w2 w3 w4 tls-full tls-resume' \
	    --fronts 'direct postern unboxed'
bench-policy: all $(bench_programs) | bench-deps name-servers
	@POSTERN_BUILD=$(BUILD) tests/bench/run --repeat $(or $(REPEAT),5) --loads '$(or $(LOADS),w1 w2 w4 times)' \
	    --fronts 'direct unchecked checked'
name-servers:
	@tests/unpack nsd $(nsd_PACKAGES)
	@tests/unpack unbound $(unbound_PACKAGES)
$(BUILD)/bench-load: $(load_o)
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
$(BUILD)/bench-body: $(BUILD)/tests/bench/body.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^
bench-hold: all $(BUILD)/bench-load $(BUILD)/bench-crowd | bench-deps name-servers
	@POSTERN_BUILD=$(BUILD) tests/bench/hold --dns --count $(or $(COUNT),10000) --repeat $(or $(REPEAT),3)
bench-swarm: all $(BUILD)/bench-swarm | swarm-deps
	@POSTERN_BUILD=$(BUILD) tests/bench/swarm --fronts '$(FRONTS)' --scenarios '$(SCENARIOS)' --seconds $(or $(SECONDS),60) \
	--repeat $(or $(REPEAT),1) --max-workers '$(or $(MAX_WORKERS),8000 500 2000)' --log $(or $(LOG),syslog) \
	$(patsubst %,--option %,$(OPTIONS))
swarm-deps:
	@tests/deps $(BENCH_PACKAGES)
bench-growth: all $(BUILD)/bench-crowd | bench-deps
	@POSTERN_BUILD=$(BUILD) tests/bench/growth --repeat $(or $(REPEAT),3)
soak: all $(BUILD)/bench-load $(BUILD)/bench-swarm | bench-deps
	@POSTERN_BUILD=$(BUILD) tests/bench/soak --sessions $(or $(SESSIONS),1000000)
bench-board: $(BUILD)/bench-board
	@$<
$(BUILD)/bench-board: $(BUILD)/tests/bench/board.o $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^
bench-access: $(BUILD)/bench-access
	@$<
$(BUILD)/bench-access: $(BUILD)/tests/bench/access.o $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^
bench-store: $(BUILD)/bench-store
	@$< $(RECORDS) $(SIZE_MIB)
$(BUILD)/bench-store: $(BUILD)/tests/bench/store.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
bench-greylist: $(BUILD)/bench-greylist
	@rm -rf build/bench/store && mkdir -p build/bench
	@$< $(or $(DIRECTORY),build/bench/store) $(or $(ENTRIES),0) $(or $(SECONDS),10) $(or $(RATE),10000)
$(BUILD)/bench-greylist: $(BUILD)/tests/bench/greylist.o $(BUILD)/libworkers.a $(BUILD)/libcommon.a
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
$(BUILD)/bench-crowd: $(call objects,tests/bench/crowd.c tests/bench/secure.c)
	$(call say,LINK)$(LINK) -o $@ $^ $(library_libs)
$(BUILD)/bench-swarm: $(addprefix $(BUILD)/tests/bench/,swarm.o bot.o sender.o talker.o wheel.o)
	$(call say,LINK)$(LINK) -o $@ $^ -lm
$(BUILD)/bench-relay: $(BUILD)/tests/bench/relay.o
	$(call say,LINK)$(LINK) -o $@ $^
$(BUILD)/bench-nodelay.so: tests/bench/nodelay.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(filter-out -fPIE,$(COMPILE)) -fPIC -shared -o $@ $<

sbin := $(DESTDIR)$(PREFIX)/sbin
man := $(DESTDIR)$(PREFIX)/share/man
conf := $(DESTDIR)/etc/postern
completions := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
doc := $(DESTDIR)$(PREFIX)/share/doc/postern
# systemd looks below /usr/lib, /usr/local/lib and /etc, and nowhere else.
lib := $(DESTDIR)$(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX)/lib,/etc)
units := $(lib)/systemd/system
with_prefix = sed 's|@PREFIX@|$(PREFIX)|g' $(1) >$(2) && chmod 644 $(2)

# What lies below $(DESTDIR), but for the configuration; `uninstall` takes exactly this away.
installed := $(sbin)/posternd $(sbin)/posternctl $(man)/man8/posternd.8 $(man)/man8/posternctl.8 \
             $(man)/man5/postern.conf.5 $(completions)/posternctl $(units)/postern.service $(units)/postern.socket \
             $(lib)/sysusers.d/postern.conf

install: $(BUILD)/posternd $(BUILD)/posternctl
	install -D -m 755 $(BUILD)/posternd $(sbin)/posternd
	install -D -m 755 $(BUILD)/posternctl $(sbin)/posternctl
	install -D -m 644 daemon/posternd.8 $(man)/man8/posternd.8
	install -D -m 644 daemon/ctl/posternctl.8 $(man)/man8/posternctl.8
	install -D -m 644 daemon/ctl/posternctl.bash $(completions)/posternctl
	install -D -m 644 conf/postern.conf.5 $(man)/man5/postern.conf.5
	install -D -m 644 -t $(doc) README INSTALL LICENSE
	install -D -m 644 -t $(doc)/examples conf/examples/*
	install -D -m 644 conf/postern.sysusers $(lib)/sysusers.d/postern.conf
	install -d $(units)
	$(call with_prefix,conf/postern.service,$(units)/postern.service)
	$(call with_prefix,conf/postern.socket,$(units)/postern.socket)
	@if cmp -s conf/postern.conf $(conf)/postern.conf; then exit; fi; \
	if [ -e $(conf)/postern.conf ]; then new=.new; echo '$(conf)/postern.conf is there and stays'; fi; set -x; \
	install -D -m 644 conf/postern.conf $(conf)/postern.conf$$new
	$(if $(DESTDIR),,@$(add_user))

# On this machine; a package has its sysusers.d. Without root it is somebody else's business.
add_user = if [ "$$(id -u)" = 0 ] && ! getent passwd postern >/dev/null; then set -x; \
	useradd --system $$(getent group postern >/dev/null && echo --gid postern || echo --user-group) \
	--no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --comment 'Postern, the SMTP gate' postern; fi

uninstall:
	rm -f $(installed) $(conf)/postern.conf.new
	rm -rf $(doc)
	@[ ! -e $(conf)/postern.conf ] || echo '$(conf)/postern.conf stays'

clean:
	rm -rf build

-include $(shell find $(BUILD) build/fuzz -name '*.d' 2>/dev/null)
