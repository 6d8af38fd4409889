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

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
LUA_CFLAGS := $(shell pkg-config --cflags lua5.4 2>/dev/null || echo -I/usr/include/lua5.4)
CPPFLAGS += -Icore -D_GNU_SOURCE -DMOONPOST_VERSION='"$(VERSION)"' $(LUA_CFLAGS)
SANITIZE := -fsanitize=address,undefined
CFLAGS_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS_asan    := -O1 -g -fno-omit-frame-pointer $(SANITIZE) -fno-sanitize-recover=undefined
CFLAGS  += -std=c11 $(WARN) -fPIC $(CFLAGS_$(MODE))
LDFLAGS += $(if $(filter asan,$(MODE)),$(SANITIZE)) -Wl,-z,relro,-z,now
LIBS    := -llua5.4 -lev -lssl -lcrypto -llmdb -lcrypt -lcjson -lpthread -lm

CORE_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard core/*/*.c))
BIN_OBJ  := $(patsubst %.c,$(OUT)/%.o,$(wildcard bin/*.c))
BIND_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard spec/support/bind_*.c))

all: $(OUT)/moonpost $(OUT)/spec.so

$(OUT)/libmoonpost.a: $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/moonpost: $(BIN_OBJ) $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# What specs load: the C functions under test, reached through spec/support/bind.lua.
$(OUT)/spec.so: $(BIND_OBJ) $(OUT)/libmoonpost.a
	$(CC) $(LDFLAGS) -shared -Wl,-Bsymbolic -o $@ $(BIND_OBJ) $(OUT)/libmoonpost.a $(filter-out -llua5.4,$(LIBS))

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(CORE_OBJ:.o=.d) $(BIN_OBJ:.o=.d) $(BIND_OBJ:.o=.d)

clean:
	rm -rf $(BUILD)

.PHONY: all clean
