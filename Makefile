# SPDX-License-Identifier: Apache-2.0
APP     := netsonde
ARCH    ?= $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
BUILD   ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
CLANG   ?= clang
BPFTOOL ?= bpftool
PREFIX  ?= /usr/local
VERSION := 0.1.0
comma   := ,
# Probes of HTTP/3; "HTTP3=" builds without.
ifeq ($(origin HTTP3),undefined)
HTTP3 := $(shell scripts/has-http3.sh)
endif

CPPFLAGS += -I. -I$(BUILD) -DNETSONDE_VERSION='"$(VERSION)"' $(if $(HTTP3),-DNETSONDE_HTTP3) -MMD -MP
CXXFLAGS += -std=c++20 -O2 -g1 -Wall -Wextra -Wpedantic -Werror $(if $(SAN),-fsanitize=$(SAN) -Wno-maybe-uninitialized)
BPFFLAGS := -O2 -g -Wall -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -I. -Ivmlinux/$(ARCH) -MMD -MP
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN))
LDLIBS   := -lbpf -lelf -lz -lzstd -lsqlite3 -lmnl -lfmt -lcares -lcurl -lssl -lcrypto -lncursesw -ltinfo \
            $(if $(HTTP3),-lngtcp2 -lngtcp2_crypto_gnutls -lnghttp3 -lgnutls)

# What is loaded only to change connections is an object of its own.
OPTIONS_BPF := $(BUILD)/bpf/socket_options.bpf.o
BPF_OBJ  := $(filter-out $(OPTIONS_BPF),$(patsubst %.c,$(BUILD)/%.o,$(wildcard bpf/*.bpf.c)))
SKELETON := $(BUILD)/netsonde.skel.h $(BUILD)/socket_options.skel.h
PAGE     := $(BUILD)/report_page.h
PROFILES := $(BUILD)/tuning_profiles.h
sources   = $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard $(1)))
OBJ      := $(call sources,user/*.cpp user/*/*.cpp user/*/*/*.cpp tuner/*.cpp probes/*.cpp)
LIB_OBJ  := $(filter-out %/main.o,$(OBJ))
TESTS    := unit bpf
TOOLS    := $(patsubst %.cpp,$(BUILD)/%,$(wildcard tests/bench/*.cpp))
FUZZERS  := $(patsubst %.cpp,$(BUILD)/%,$(wildcard tests/fuzz/*.cpp))

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

.DELETE_ON_ERROR:
.PHONY: all run test test-vm lint format bench fuzz install uninstall clean help setup
all: $(BUILD)/$(APP) ## build build/netsonde

run: setup ## set up, build and start the live view (root)
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) $(BUILD)/$(APP)
	$(Q)$(BUILD)/$(APP) top

test: setup ## set up, build, lint and run every test (root)
	$(Q)tests/run.sh $(BUILD)

test-vm: setup $(BUILD)/bpf-tests $(BUILD)/$(APP) ## run the BPF tests, and those of host-wide settings, on every kernel in tests/kernels
	$(Q)tests/vm.sh $(BUILD)

setup:
	$(Q)scripts/setup.sh

$(BUILD)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@

# Definitions first: bpftool places a variable that it meets before its definition at offset 0.
$(BUILD)/netsonde.bpf.o: $(BUILD)/bpf/common.bpf.o $(BPF_OBJ)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/netsonde.skel.h: $(BUILD)/netsonde.bpf.o
$(BUILD)/socket_options.skel.h: $(OPTIONS_BPF)
$(SKELETON):
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $(basename $(basename $@)))_bpf > $@

# What an HTML report carries with it.
$(PAGE): scripts/embed.sh user/sinks/report/report.css user/sinks/report/report.js
	@mkdir -p $(@D)
	$(Q)$^ >$@

# The folder stands there for profiles that are taken away.
$(PROFILES): scripts/embed-profiles.sh tuner/profiles $(wildcard tuner/profiles/*.toml)
	@mkdir -p $(@D)
	$(Q)$< tuner/profiles >$@

$(BUILD)/%.o: %.cpp | $(SKELETON) $(PAGE) $(PROFILES)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

# Whoever built with HTTP/3 and now does not, or the other way round.
HTTP3_MARK := $(BUILD)/http3-$(if $(HTTP3),yes,no)
$(HTTP3_MARK):
	@mkdir -p $(@D)
	$(Q)rm -f $(BUILD)/http3-* && touch $@
$(call sources,probes/http3*.cpp probes/quic*.cpp tests/*/http3*.cpp tests/*/quic*.cpp): $(HTTP3_MARK)

$(BUILD)/$(APP): $(OBJ)
$(BUILD)/unit-tests: $(LIB_OBJ) $(call sources,tests/unit/*.cpp)
$(BUILD)/bpf-tests: $(LIB_OBJ) $(call sources,tests/bpf/*.cpp)
# What only tests is compiled without optimisation: it halves that time.
$(BUILD)/tests/unit/%.o $(BUILD)/tests/bpf/%.o: CXXFLAGS += -O0
$(BUILD)/unit-tests $(BUILD)/bpf-tests: LDLIBS += -lgtest -lgtest_main -lgmock -pthread
$(TOOLS): %: %.o $(LIB_OBJ)
$(BUILD)/$(APP) $(BUILD)/unit-tests $(BUILD)/bpf-tests $(TOOLS):
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $(filter %.o,$^) $(LDLIBS) -o $@

fuzz: $(FUZZERS) ## build the fuzzers and run each for FUZZ_SECONDS (60)
	$(Q)for f in $^; do n=$$(basename $${f%_fuzz}); s=tests/fuzz/seeds/$$n; mkdir -p $(BUILD)/corpus/$$n; \
	    [ -d $$s ] || s=; $$f $(BUILD)/corpus/$$n $$s -max_total_time=$(or $(FUZZ_SECONDS),60) -print_final_stats=1 || exit 1; done
$(BUILD)/tests/fuzz/%: tests/fuzz/%.cpp $(wildcard user/base/text.cpp user/model/*.cpp)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang++ -I. -DNETSONDE_VERSION='""' -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined $^ -lfmt -lmnl -lz -lzstd -lcrypto -o $@
$(BUILD)/tests/fuzz/recording_fuzz $(BUILD)/tests/fuzz/records_fuzz: $(wildcard user/model/recording/*.cpp)
$(BUILD)/tests/fuzz/dns_fuzz: probes/dns_message.cpp probes/dns_svcb.cpp probes/dns_cache.cpp
$(BUILD)/tests/fuzz/websocket_fuzz: $(patsubst %,probes/%.cpp,websocket target dns_message dns_svcb)
$(BUILD)/tests/fuzz/tuning_fuzz: $(patsubst %,tuner/%.cpp,record ledger plan plan_json scope_name tunable catalogue profile_toml qdisc_kind) \
    user/base/prefix.cpp \
    $(patsubst %,user/model/diagnosis/%.cpp,evidence_json finding)
$(BUILD)/tests/fuzz/netlink_fuzz: $(patsubst %,user/capture/%.cpp,netlink links qdiscs route route_table time_wait value_list xdp) user/base/prefix.cpp

bench: ## measure cost and speed beside the peers; prints a table, writes build/bench.json
	$(Q)scripts/setup.sh bench
	$(Q)tests/bench/run.sh $(BUILD)

lint: $(SKELETON) $(PAGE) $(PROFILES) ## formatting, include directions, clang-tidy, cppcheck
	$(Q)scripts/lint.sh $(BUILD)
format: ## clang-format every source
	$(Q)git ls-files '*.cpp' '*.h' '*.c' ':!vmlinux' | xargs clang-format -i

$(BUILD)/$(APP).8: user/netsonde.8.in $(BUILD)/$(APP) Makefile
	$(call say,MAN,$@)
	$(Q)$(BUILD)/$(APP) fields --man >$@.parts
	$(Q)awk 'FNR == NR { if (/^@/) name = $$0; else body[name] = body[name] $$0 "\n"; next } \
	    $$0 in body { printf "%s", body[$$0]; next } \
	    { gsub(/@VERSION@/, "$(VERSION)"); print }' $@.parts $< >$@

MAN  := $(DESTDIR)$(PREFIX)/share/man/man8/$(APP).8
BASH := $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$(APP)
ZSH  := $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_$(APP)
BIN  := $(DESTDIR)$(PREFIX)/sbin/$(APP)
install: all $(BUILD)/$(APP).8 ## install to PREFIX (/usr/local) below DESTDIR
	install -D -m 755 $(BUILD)/$(APP) $(BIN)
	install -D -m 644 $(BUILD)/$(APP).8 $(MAN)
	install -D -m 644 user/completion.bash $(BASH)
	install -D -m 644 user/completion.zsh $(ZSH)
uninstall: ## remove what install put there
	rm -f $(BIN) $(MAN) $(BASH) $(ZSH)
clean: ## remove all build output
	rm -rf build build-*
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'
	@echo "  variables: SAN=address,undefined  V=1  HTTP3=1  PREFIX= DESTDIR="

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
