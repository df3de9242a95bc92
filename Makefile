# SPDX-License-Identifier: Apache-2.0
#
#   make           ./corten: static, reproducible
#   make demo      builds it and runs a container
#   make test      every test (as root)
#   make test-vm   those that need systemd, pure cgroup v2 or an LSM, in virtual machines
#   make test-arm64  the tests for arm64, in a virtual machine
#   make test-engines  those with podman, buildah, containerd, CRI and Docker
#   make test-faults  every command broken at every system call (half an hour)
#   make test-faults FAULTS=peers  what a kill at every call leaves of corten, runc and crun
#   make test-races ROUNDS=5  commands beside each other, at length
#   make test-cve RACES=1000  the published escapes; so many starts in each race
#   make fuzz TIME=30  seconds for each fuzz target; what they are: tests/fuzz
#   make cover     which lines of the executor the tests run
#   make lint      staticcheck, govulncheck, and clang's analyzer on the executor
#   make mutate    shows that the tests notice what corten ignores (half an hour)
#   make bench     corten, runc, crun and the floor, round-robin
#   make dist      what a release consists of, in build/dist
#   make install   PREFIX=/usr/local DESTDIR=
#
# What is missing of Debian's packages, build-deps.sh installs.

PREFIX  ?= /usr/local
GO      ?= go
VERSION ?= $(shell cat VERSION)
COMMIT  ?= $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)

ARCH  := $(shell $(GO) env GOARCH)
TAGS  := urfave_cli_no_docs
FLAGS := -trimpath -buildvcs=false -tags $(TAGS) -ldflags '-s -w -E corten_start -buildid= -X main.version=$(VERSION) -X main.commit=$(COMMIT)'
PARTS := nsenter/executor_$(ARCH).elf seccomp/compiler_$(ARCH).elf cgroups/scope_$(ARCH).elf

all: corten

# The collector of garbage that Go has since 1.26 writes to the end of each span of
# memory it hands out, which costs a page fault; where that can be chosen, corten
# has the one before.
EXPERIMENT := $(or $(GOEXPERIMENT),$(shell GOEXPERIMENT=nogreenteagc $(GO) env GOEXPERIMENT 2>/dev/null))

# Always through the Go tool: it knows better than make what has changed.
corten: parts
	@$(MAKE) --no-print-directory binary OUT=$@

# OUT, of the parts that are there; for another ARCH, `make dist` builds them.
OUT ?= corten
binary:
	@GO=$(GO) patches/modules build/modules
	@GO=$(GO) patches/runtime build/runtime
	CGO_ENABLED=0 GOARCH=$(ARCH) GOEXPERIMENT=$(EXPERIMENT) $(GO) build -modfile build/modules/go.mod -overlay build/runtime/overlay.json $(FLAGS) -o $(OUT) .

parts: deps
	@$(MAKE) --no-print-directory -s -C nsenter/executor ../executor_$(ARCH).elf
	@$(MAKE) --no-print-directory -s -C seccomp/compiler
	@$(MAKE) --no-print-directory -s -C cgroups/scope

deps:
	@./build-deps.sh build

demo: corten
	@./build-deps.sh demo
	@examples/demo/run ./corten build/demo

test: corten
	@./build-deps.sh test
	tests/all

test-vm: corten
	@./build-deps.sh vm || true
	@tests/vm/suite $(VM)

test-arm64: deps
	@./build-deps.sh arm64 || true
	@tests/arm64/run $(if $(ARM64),'$(ARM64)')

test-engines: corten
	@./build-deps.sh engines
	@tests/engines/run $(ENGINES)

test-faults: corten
	@./build-deps.sh test
	@tests/faults/run $(or $(FAULTS),all)

test-races: corten
	@./build-deps.sh test
	@tests/races $(ROUNDS)

test-cve: corten
	@./build-deps.sh test
	@CORTEN_RACES=$(or $(RACES),1000) tests/verdicts $(GO) test -tags $(TAGS) -count=1 -timeout 12h -v ./tests/cve

cover: parts
	@./build-deps.sh test
	@tests/cover/run

fuzz: parts
	@./build-deps.sh test
	@TIME=$(TIME) tests/fuzz $(FUZZ)

# The deprecated fields of config.json are read, too.
lint: parts
	@./build-deps.sh test
	$(GO) -C tests/lint build -o ../../build/staticcheck honnef.co/go/tools/cmd/staticcheck
	build/staticcheck -tags $(TAGS) -checks inherit,-SA1019,-ST1005 ./...
	@tests/vulnerabilities
	$(MAKE) -s -C nsenter/executor lint

mutate: corten
	@./build-deps.sh test
	$(GO) run ./tests/mutate $(MUTATE)

bench: corten
	@./build-deps.sh bench
	$(GO) run ./tests/bench $(BENCH)

install: corten
	install -D -m 0755 corten $(DESTDIR)$(PREFIX)/bin/corten
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/man/*.1
	install -D -m 0644 docs/completions/corten.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/corten
	install -D -m 0644 docs/completions/_corten $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_corten
	install -D -m 0644 docs/completions/corten.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/corten.fish

# Binaries for both architectures, manual, completions, contents, checksums.
dist: deps
	@./build-deps.sh dist
	@release/dist

clean:
	rm -rf corten build
	@$(MAKE) --no-print-directory -C nsenter/executor clean
	@$(MAKE) --no-print-directory -C seccomp/compiler clean
	@$(MAKE) --no-print-directory -C cgroups/scope clean

.PHONY: all corten binary dist parts deps demo test test-vm test-arm64 test-engines test-faults test-races test-cve cover fuzz lint mutate bench install clean
