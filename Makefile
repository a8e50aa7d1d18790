# roost - every task comes home.
#
# `make help` says what there is. Sources, tests and examples are found by their
# place (see below), nothing is listed. What takes more than a line of shell is a
# script in .ci/. Each variant, compiler and machine has a directory of its own
# under build/, so that they do not rebuild each other.

VERSION := 0.1.0
SONAME := libroost.so.0
VARIANT ?= release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# The compiler: the user's, else gcc, else cc. The machine: the compiler's; one
# that has no src/arch/<machine>.S, such as ARCH=ucontext, gets ucontext.c.
ifneq ($(filter default undefined,$(origin CC)),)
CC := $(firstword $(notdir $(shell for c in gcc cc; do command -v $$c; done)) gcc)
endif
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)
ARCH ?= $(MACHINE)

# build/release, build/asan-clang, build/release-ucontext, ...
space := $(subst ,, )
B := build/$(VARIANT)
B := $B$(if $(filter-out gcc cc,$(notdir $(CC))),-$(subst $(space),_,$(strip $(notdir $(CC)))))
B := $B$(if $(filter-out $(MACHINE),$(ARCH)),-$(ARCH))$(if $(WERROR),-werror)

# --- flags; CPPFLAGS, CFLAGS and LDFLAGS are the user's and come last
flags.release := -O3 -g
flags.debug := -O0 -g3 -DROOST_DEBUG
flags.asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=all -DROOST_DEBUG
flags.tsan := -O1 -g -fsanitize=thread
$(if $(flags.$(VARIANT)),,$(error VARIANT=$(VARIANT) is none of release debug asan tsan))

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wvla -Wwrite-strings $(if $(WERROR),-Werror)
arch := $(firstword $(wildcard src/arch/$(ARCH).S src/arch/ucontext.c))
flags = -std=gnu11 $(warnings) -pthread -fvisibility=hidden -fno-plt \
    -fno-semantic-interposition -fstack-clash-protection $(flags.$(VARIANT)) \
    $(if $(filter %.c,$(arch)),-DROOST_UCONTEXT) $(CPPFLAGS) $(CFLAGS)
libs := -lev -lm -ldl -pthread
export CC CPPFLAGS CFLAGS LDFLAGS VARIANT

# --- what is where
src := $(filter-out src/arch/% src/test/%,$(wildcard src/*/*.c src/*/*.S)) $(arch)
examples := $(patsubst examples/%.c,$B/examples/%,$(wildcard examples/*.c))
tests := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/test_*.c tests/rules/test_*.c))
benches := $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/*.c))
tortures := $(patsubst tests/torture/%.c,$B/torture/%,$(wildcard tests/torture/*.c))
planted := $(patsubst tests/planted/%.c,$B/planted/%,$(wildcard tests/planted/*.c))
scripts := $(filter-out tests/bench/% tests/torture/% tests/fuzz/%,$(wildcard tests/*/run))
kit := $(patsubst %,$B/obj/%.o,$(wildcard tests/kit/*.c))
# The test kit is built where cmocka is.
hash := \#
cmocka_here := $(shell printf '$(hash)include <%s>\n' stdarg.h stddef.h stdint.h setjmp.h \
    cmocka.h | $(CC) $(CPPFLAGS) $(CFLAGS) -E - >/dev/null 2>&1 && echo yes)
testlib := $(if $(cmocka_here),$B/libroost-test.a)
# So are the examples that are tests, and the benches of the kit itself.
examples := $(filter-out $(if $(testlib),,%_test),$(examples))
benches := $(filter-out $(if $(testlib),,%_torture),$(benches))
planted := $(if $(testlib),$(planted) $(planted:=_fixed))
programs := $(tests) $(examples) $(benches) $(tortures) $(planted)

all: $B/libroost.a $B/libroost.so $(testlib) ## the libraries, static and shared
examples: $(examples) ## build/<variant>/examples/*
everything: all $(programs) # compiles all that there is, runs nothing

# --- how; a flag or a list of sources that changed rebuilds what hangs on it
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-4s %s\n' $1 $2)
include = -Iinclude $(if $(filter examples/%,$<),,-Isrc -Itests)
compile = $(CC) $(include) $(flags) -MMD -MP -c -o $@ $<
link = $(CC) $(flags) -Wl,-z,now $(LDFLAGS) -o $@ $(filter %.o %.a,$^)
lists.flags = $(CC) $(flags) $(LDFLAGS) $(shell $(CC) -dumpfullversion 2>/dev/null)
lists.sources = $(src) $(wildcard src/test/*.c)

$B/.%: FORCE
	$(shell mkdir -p $(@D))$(file >$@.new,$(lists.$*))
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$B/obj/%.o: % $B/.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$Q$(compile) -fPIE

$B/pic/%.o: % $B/.flags
	$(call say,CC,'$< (shared)')
	@mkdir -p $(@D)
	$Q$(compile) -fPIC

$B/libroost.a: $(src:%=$B/obj/%.o)
$B/libroost-test.a: $(patsubst %,$B/obj/%.o,$(wildcard src/test/*.c))
%.a: $B/.sources
	$(call say,AR,$@)
	@rm -f $@
	$Q$(AR) rcs $@ $(filter %.o,$^)

$B/libroost.so: $(src:%=$B/pic/%.o) $B/.sources
	$(call say,LD,$@)
	$Q$(link) -shared -Wl,-soname,$(SONAME) $(libs)
	@ln -sf $(@F) $(@D)/$(SONAME)

$B/examples/%: $B/obj/examples/%.c.o $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) $(libs)

$B/bench/%: $B/obj/tests/bench/%.c.o $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) $(libs)

$B/examples/%_test: $B/obj/examples/%_test.c.o $(testlib) $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) -lcmocka $(libs)

$B/bench/%_torture: $B/obj/tests/bench/%_torture.c.o $(testlib) $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) -lcmocka $(libs)

$B/obj/tests/planted/%_fixed.c.o: tests/planted/%.c $B/.flags
	$(call say,CC,'$< (fixed)')
	@mkdir -p $(@D)
	$Q$(compile) -fPIE -DFIXED

$B/planted/%: $B/obj/tests/planted/%.c.o $(testlib) $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) -lcmocka $(libs)

$B/torture/%: $B/obj/tests/torture/%.c.o $(kit) $(testlib) $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) -lcmocka $(libs)

$B/tests/%: $B/obj/tests/%.c.o $(kit) $(testlib) $B/libroost.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(link) -lcmocka $(libs)

-include $(shell find $B -name '*.d' 2>/dev/null)

# --- what a user and a developer ask for. Only demo and test install packages.
make = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

demo: ## the log-tailing word counter; ARGS='file...' follows your files
	@.ci/install ev.h
	+@$(make) examples
	@$B/examples/tail_count $(ARGS)

test: ## build and run the whole suite, with each kind of stack guard
	@.ci/install ev.h cmocka.h
	+@$(make) suite GUARDS='mprotect none'

suite: all examples $(benches) $(tests) $(planted) $(tortures) # test, installing nothing; RUNNER wraps
	@BUILD=$B GUARDS='$(GUARDS)' RUNNER='$(RUNNER)' .ci/run-tests $(tests) $(scripts)

check: ## gcc and clang without a warning, ASan+UBSan, ucontext, lints
	@.ci/check

check-all: ## check, and the slow legs: valgrind, aarch64, TSan, torture, fuzz
	@.ci/check all

torture: all $(tortures) ## every fault at every step: tests/torture/run
	@test ! -x tests/torture/run || BUILD=$B tests/torture/run $(ARGS)

bench: all $(benches) $(examples) ## measure; writes build/bench.json
	@BUILD=$B tests/bench/run $(ARGS)

bench-chart: ## draw build/bench.json as design/bench.svg
	@tests/bench/chart $(ARGS)

install: all ## to PREFIX (/usr/local), below DESTDIR
	install -d $(DESTDIR)$(PREFIX)/include/roost $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 include/roost.h include/roost.hpp $(DESTDIR)$(PREFIX)/include
	install -m 644 include/roost/*.h $(DESTDIR)$(PREFIX)/include/roost
	install -m 644 $B/libroost.a $(testlib) $(DESTDIR)$(PREFIX)/lib
	install -m 755 $B/libroost.so $(DESTDIR)$(PREFIX)/lib/libroost.so.$(VERSION)
	ln -sf libroost.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libroost.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' src/roost.pc.in \
	    >$(DESTDIR)$(PREFIX)/lib/pkgconfig/roost.pc
	install -d $(DESTDIR)$(PREFIX)/share/roost
	install -m 644 src/inspect/roost-gdb.py $(DESTDIR)$(PREFIX)/share/roost

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo '  VARIANT=release|debug|asan|tsan  CC=clang  ARCH=ucontext  WERROR=1  V=1'

.PHONY: all examples everything demo test suite check check-all torture bench \
    bench-chart install clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
