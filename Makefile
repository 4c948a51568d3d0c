# Everything that a contributor runs. `make` builds, `make test` is what CI calls.

GO ?= go
FUZZTIME ?= 300000x
BENCHTIME ?= 1s

.PHONY: all build bpf test test-vm unit lint cross fuzz bench bench-peers setup clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o vmasnap ./cmd/vmasnap

# Packages that the tests use: C and C++ compilers, zstd, python3; and perf, for bench-peers.
setup:
	.ci/setup

test: setup unit lint cross

# Tests of what talks to the kernel, under Debian's kernels 6.1 and 6.12 in qemu: see .ci/test-vm.
# Some 20 minutes on two CPUs.
test-vm:
	.ci/setup vm
	.ci/test-vm

# Compiles the BPF programs anew. What comes out is committed: building needs no clang.
bpf:
	.ci/setup bpf
	bpfmmap/bpf/build.sh

# One package after the other: their tests record the whole machine, the others' tests with it.
# Some make more events than a recorder with the race detector can take in: they run without.
FAST = ^(TestConverge|TestHistory|TestMoments|TestWitness|TestShortLived)$$
unit:
	$(GO) build -race ./...
	$(GO) test -race -p 1 -timeout 20m -skip '$(FAST)' ./...
	$(GO) test -run '$(FAST)' ./recorder
	cd bench && $(GO) test ./...

# The tools are pinned by the tool lines of go.mod.
lint:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "gofmt: $$bad"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool ineffassign ./...
	$(GO) tool go-errorlint ./...
	$(GO) tool misspell -error $$(git ls-files '*.go' '*.md')
	cd bench && $(GO) mod tidy -diff && $(GO) vet ./...

# A recording is read on a laptop. vet compiles the tests too; several packages at once build
# without leaving anything behind.
READERS = ./format ./replay ./replay/symbols ./procmap ./cmd/vmasnap
cross:
	GOOS=darwin GOARCH=arm64 $(GO) build $(READERS) && GOOS=darwin GOARCH=arm64 $(GO) vet $(READERS)
	GOOS=windows GOARCH=amd64 $(GO) build $(READERS) && GOOS=windows GOARCH=amd64 $(GO) vet $(READERS)
	GOOS=linux GOARCH=arm64 $(GO) build ./... && GOOS=linux GOARCH=arm64 $(GO) vet ./...

# Each fuzz target for FUZZTIME inputs (NNNx; some 15,000 a second), one after the other.
fuzz:
	GO=$(GO) FUZZTIME=$(FUZZTIME) .ci/fuzz

bench:
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

# vmasnap beside perf, prometheus/procfs and others, in one run; see bench/README.md.
bench-peers:
	cd bench && $(GO) run .

clean:
	rm -f vmasnap
