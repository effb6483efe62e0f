# What can be done here. `make` alone does what a change needs: `make check`.
#
#   make demo       installs a daemon on an SSH host of its own, with Go alone
#   make test       runs the tests, with Go alone; what this machine lacks is skipped, loudly
#   make check      format, vet, staticcheck, and the tests with the race detector (needs a C compiler)
#   make bench      runs the benchmarks that BENCH matches, REPETITIONS times each
#   make fuzz       runs every fuzz target, FUZZJOBS at a time: for FUZZTIME or, far from hosts, FUZZREST
#   make soak       runs random faults for SOAK, or the round that failed with SEED, and counts what came of them
#   make platforms  builds everything for the other systems that run davit
#   make vuln       looks the code up in the Go vulnerability database
#   make fmt        lays the code out as `make check` wants it

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c

GO        ?= go
TOOL       = $(GO) tool -modfile=tools/go.mod
TESTFLAGS ?=
# The victims are run, and killed, by other tests, and do nothing by themselves.
REPORT     = $(GO) -C tools run ./report -may-skip TestVictim,TestMachineVictim
FUZZTIME  ?= 60s
FUZZREST  ?= 20s
SOAK      ?= 5m
SEED      ?= 0
FUZZJOBS  ?= 2
BENCH     ?= .

# How often a benchmark measures each of the ways that it compares.
export REPETITIONS ?= 5

.PHONY: check demo test bench soak fuzz platforms vuln fmt help

check:
	@echo "== format"
	@unformatted=$$($(TOOL) gofumpt -l .); [ -z "$$unformatted" ] || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	@echo "== vet"
	$(GO) vet ./...
	@echo "== staticcheck"
	$(TOOL) staticcheck ./...
	cd tools && $(GO) vet ./... && $(GO) tool staticcheck ./...
	@echo "== tests, with the race detector"
	$(GO) -C tools test ./...
	$(GO) test -race -timeout=45m -json $(TESTFLAGS) ./... | $(REPORT)

demo:
	@$(GO) run ./cmd/davit demo

test:
	$(GO) test -timeout=45m -json $(TESTFLAGS) ./... | $(REPORT)

bench:
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem -timeout=60m $(TESTFLAGS) \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u)

# Without the name of a package go test shows what a test prints while it runs.
soak:
	$(GO) test -race -run='^TestSoak$$' -count=1 -timeout=0 -soak=$(SOAK) -seed=$(SEED)

fuzz:
	@GO="$(GO)" FUZZTIME=$(FUZZTIME) FUZZREST=$(FUZZREST) FUZZJOBS=$(FUZZJOBS) .ci/fuzz

platforms:
	@for p in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do \
		echo "build $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./...; done

vuln:
	$(TOOL) govulncheck ./...

fmt:
	$(TOOL) gofumpt -w .

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile
