# moonpost: build, run, test.  `make help` lists the targets.
#
# One object tree per MODE (release, asan), so that the sanitizer build and the real one live
# side by side under build/.

MODE    ?= release
BUILD   ?= build
OUT     := $(BUILD)/$(MODE)
ifeq ($(origin CC),default)
CC := gcc
endif
VERSION := 0.1.0
JOBS    := $(shell nproc 2>/dev/null || echo 2)

prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
datadir    ?= $(prefix)/share
sysconfdir ?= /etc
unitdir    ?= $(prefix)/lib/systemd/system

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
LUA_CFLAGS := $(shell pkg-config --cflags lua5.4 2>/dev/null || echo -I/usr/include/lua5.4)
CPPFLAGS += -Icore -D_GNU_SOURCE -DMOONPOST_VERSION='"$(VERSION)"' $(LUA_CFLAGS)
SANITIZE := -fsanitize=address,undefined
CFLAGS_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS_asan    := -O1 -g -fno-omit-frame-pointer $(SANITIZE) -fno-sanitize-recover=undefined
CFLAGS  += -std=c11 $(WARN) -fPIC $(CFLAGS_$(MODE))
LDFLAGS += $(if $(filter asan,$(MODE)),$(SANITIZE)) -Wl,-z,relro,-z,now
LIBS    := -llua5.4 -lev -lssl -lcrypto -llmdb -lcrypt -lidn -lcjson -lcares -lcurl -lhiredis -lpq -lldap -llber -lpthread -lm

CORE_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard core/*/*.c))
BIN_OBJ  := $(patsubst %.c,$(OUT)/%.o,$(wildcard bin/*.c))
BIND_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard spec/support/bind_*.c))

# ---- build ----

all: $(OUT)/moonpost $(OUT)/spec.so

$(OUT)/libmoonpost.a: $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/moonpost: $(BIN_OBJ) $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# What specs load: the C functions under test, reached through spec/support/bind.lua.  Never
# unloaded, so that a leak report at the end still knows its functions.
$(OUT)/spec.so: $(BIND_OBJ) $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -shared -Wl,-Bsymbolic -Wl,-z,nodelete -o $@ $(BIND_OBJ) $(OUT)/libmoonpost.a $(filter-out -llua5.4,$(LIBS))

$(OUT)/%.o: %.c $(OUT)/.flags | $(OUT)/.headers
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Other flags, another compiler or another prefix: build again.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS)
remember = mkdir -p $(@D); new='$(subst ','\'',$1)'; \
	[ "$$new" = "$$(cat $@ 2>/dev/null)" ] || echo "$$new" >$@
$(OUT)/.flags: FORCE
	@$(call remember,$(FLAGS))
$(OUT)/.datadir: FORCE
	@$(call remember,$(datadir))
$(OUT)/core/base/place.o: $(OUT)/.datadir
$(OUT)/core/base/place.o: CPPFLAGS += -DMOONPOST_DATADIR='"$(datadir)/moonpost"'

# The library headers, asked once, so that a missing package is a sentence and not a page of errors.
HEADERS := lua.h ev.h openssl/ssl.h lmdb.h crypt.h stringprep.h cjson/cJSON.h
$(OUT)/.headers: Makefile
	@mkdir -p $(@D)
	@printf '#include <%s>\n' stdio.h $(HEADERS) | $(CC) $(CPPFLAGS) -fsyntax-only -x c - 2>$@.log || { \
		echo "moonpost: this machine lacks a compiler or the headers of a library:" >&2; \
		head -3 $@.log >&2; \
		echo "moonpost: 'make setup' installs what is missing" >&2; exit 1; }
	@rm -f $@.log; touch $@

-include $(CORE_OBJ:.o=.d) $(BIN_OBJ:.o=.d) $(BIND_OBJ:.o=.d)

# ---- fuzzing ----

# One program per spec/fuzz/fuzz_<name>.c; how to add one is said in spec/fuzz/fuzz.h.
FUZZ_SECONDS ?= 3
FUZZ_SEED    ?= 1
FUZZERS := $(patsubst spec/fuzz/fuzz_%.c,%,$(wildcard spec/fuzz/fuzz_*.c))
FUZZ_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard spec/fuzz/*.c))

$(OUT)/fuzz_%: $(OUT)/spec/fuzz/fuzz_%.o $(OUT)/spec/fuzz/driver.o $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

fuzz-build: $(FUZZERS:%=$(OUT)/fuzz_%)

# The saved inputs, then FUZZ_SECONDS of changed ones, under the sanitizers.
fuzz:
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=asan fuzz-build
	@mkdir -p $(BUILD)/fuzz; passed=0; failed=0; for name in $(FUZZERS); do \
		if FUZZ_ARTIFACTS=$(BUILD)/fuzz ASAN_OPTIONS=detect_leaks=1 $(BUILD)/asan/fuzz_$$name \
			-mutate $(FUZZ_SECONDS) -seed $(FUZZ_SEED) spec/fuzz/corpus/$$name; \
		then passed=$$((passed + 1)); else failed=$$((failed + 1)); fi; \
	done; echo "$$passed passed, $$failed failed"; [ $$failed = 0 ]

-include $(FUZZ_OBJ:.o=.d)

# ---- measuring ----

# The load generator and the peer that does nothing, always of the release build; spec/bench/run.py
# says what is measured and which variables choose.
BENCH_OBJ := $(patsubst %.c,$(OUT)/%.o,$(filter-out spec/bench/slowflush.c,$(wildcard spec/bench/*.c)))
LOAD_OBJ  := $(patsubst %,$(OUT)/spec/bench/%.o,load smtp pop3 report message)

$(OUT)/load: $(LOAD_OBJ) $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/sink: $(OUT)/spec/bench/sink.o $(OUT)/spec/bench/message.o $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# Whole sessions without sockets, for spec/bench/count_spec.lua to count their instructions.
$(OUT)/count: $(OUT)/spec/bench/count.o $(OUT)/spec/bench/machines.o $(OUT)/spec/bench/message.o $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# The same sessions with a Lua hook, for spec/bench/hook.lua.
$(OUT)/hook: $(OUT)/spec/bench/hook.o $(OUT)/spec/bench/machines.o $(OUT)/spec/bench/message.o $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# What the machine allows at most.
$(OUT)/limits: $(OUT)/spec/bench/limits.o $(OUT)/spec/bench/report.o $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# Preloaded: a disk with a slower flush.
$(OUT)/slowflush.so: spec/bench/slowflush.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -shared -o $@ $< -ldl

bench-build: $(OUT)/moonpost $(OUT)/load $(OUT)/sink $(OUT)/limits $(OUT)/hook $(OUT)/slowflush.so

bench:
	@bin/setup run
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=release bench-build
	@python3 spec/bench/run.py

# Further questions, each a script that says what it measures; results in build/bench/*.jsonl.
bench-idle bench-growth bench-flush bench-latency bench-scaling bench-hook bench-dict: bench-%:
	@bin/setup test
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=release all bench-build
	@lua5.4 spec/bench/$*.lua

bench-compare:
	@python3 spec/bench/table.py "$(A)" "$(B)"

-include $(BENCH_OBJ:.o=.d)

# ---- use ----

setup:
	@bin/setup run

run: setup
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=release build/release/moonpost
	@exec bin/moonpost-demo

test:
	@bin/setup test
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=release
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=asan
	@spec/support/run-tests

lint:
	@bin/setup lint
	@spec/support/run-lint

# The manual: HTML for reading, man pages for `make install`, both from bin/manual's Markdown.
DOC := $(BUILD)/doc
doc:
	@bin/setup doc
	@$(MAKE) --no-print-directory -s -j$(JOBS) MODE=release build/release/moonpost
	@rm -rf $(DOC) && mkdir -p $(DOC)/md $(DOC)/man
	@bin/manual $(DOC)/md
	@cp $(DOC)/md/style.css $(DOC)/
	@set -e; for page in $(DOC)/md/*.md; do name=$$(basename $$page .md); \
		lowdown -s -Thtml -o $(DOC)/$$name.html $$page; \
		case $$name in *.[1-9]) lowdown -s -Tman -o $(DOC)/man/$$name $$page ;; esac; done
	@echo "the manual: $(DOC)/index.html"

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(datadir)/moonpost $(DESTDIR)$(sysconfdir)/moonpost $(DESTDIR)$(unitdir)
	install -m 755 $(OUT)/moonpost $(DESTDIR)$(bindir)/moonpost
	cp -R --no-preserve=ownership lua plugins README.md $(DESTDIR)$(datadir)/moonpost/
	sed 's|@CONFDIR@|$(sysconfdir)/moonpost|; s|@BINDIR@|$(bindir)|; s|@DATADIR@|$(datadir)/moonpost|' bin/moonpost.service >$(DESTDIR)$(unitdir)/moonpost.service
	@if [ -d $(DOC)/man ]; then for page in $(DOC)/man/*; do \
		install -D -m 644 $$page $(DESTDIR)$(datadir)/man/man$${page##*.}/$${page##*/}; done; fi
	test -e $(DESTDIR)$(sysconfdir)/moonpost/moonpost.lua || \
		install -m 640 bin/moonpost.lua $(DESTDIR)$(sysconfdir)/moonpost/moonpost.lua

clean:
	rm -rf $(BUILD)
	@if [ -d var ]; then echo "var/ stays: it holds the mail of the demo (remove it by hand if you want)"; fi

help:
	@echo "make            build build/release/moonpost"
	@echo "make run        install what is missing, build, start the demo server (Ctrl-C ends it)"
	@echo "make test       install what is missing, run every check"
	@echo "make fuzz       saved and made-up input against the parsers (FUZZ_SECONDS=3, FUZZ_SEED=1)"
	@echo "make bench      measure beside what is installed of Postfix, Exim, aiosmtpd, Dovecot (BENCH_SECONDS=3, BENCH_SERVERS, BENCH_WORKLOADS)"
	@echo "make bench-idle, bench-growth, bench-flush, bench-latency, bench-scaling, bench-hook, bench-dict   see spec/bench/*.lua"
	@echo "make bench-compare A=FILE B=FILE   two results of make bench side by side"
	@echo "make lint       clang-tidy, cppcheck, luacheck, shellcheck and a build with clang"
	@echo "make setup      only install the Debian packages that the build and the demo need"
	@echo "make install    into DESTDIR, prefix (default /usr/local); configuration is never overwritten"
	@echo "make doc        the manual in build/doc: HTML and man pages (make install takes those along)"
	@echo "make clean      remove build/; var/, the demo's mail, stays"

FORCE:

.PHONY: all fuzz fuzz-build bench bench-build bench-compare bench-idle bench-growth bench-flush bench-latency bench-scaling bench-hook bench-dict setup run test lint doc install clean help FORCE
