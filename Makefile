# Every target that a person calls has a line of help behind its name: `make` prints them.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PREFIX   ?= /usr/local
FUZZTIME ?= 30s
BENCH    ?= .
PACKAGES ?= ./...
# What measures time with many switches has the processors for itself, and no race detector: it takes several times as long.
TIMED := .*/test/scenario/fast
DURATION ?= 30m
SEED     ?= 0

# The release is one static binary; a checkout without its .git builds too.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
LDFLAGS := -s -w -X main.version=$(VERSION)

# The linter is built once and kept: that takes minutes, running it seconds.
LINTER := .cache/bin/golangci-lint

# Neutron and what checks the plugin, as installed from Python's package index; or, with RELEASE=zed, Debian's.
RELEASE ?= current
NEUTRON := $(CURDIR)/.cache/neutron
ZED     := $(CURDIR)/.cache/neutron-zed
TEMPEST := $(CURDIR)/.cache/tempest
SERVED  := $(if $(filter zed,$(RELEASE)),$(ZED),$(NEUTRON))

# Of make tempest: the tests, all of them unless said; how many at a time; further arguments.
REGEX       ?=
CONCURRENCY ?= 3
ARGS        ?=

# What CI plays through a real Neutron: of each part of it one scenario that measures no time.
NEUTRON_SHORT := ^(floating-ip|metadata|secgroup-chassis|segments)$$

.PHONY: $(NEUTRON) $(ZED) $(TEMPEST) neutron tempest tempest-quick neutron-test neutron-chaos neutron-short check-plugin help demo build test race e2e e2e-load short lint check fuzz bench bench-full fleet bench-packages golden check-install install clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## build a small cloud on this machine, show it working, clean up (root)
	@tools/install-packages demo
	@$(MAKE) build
	bin/dragonflow demo

build: ## the static binary bin/dragonflow
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/dragonflow ./cmd/dragonflow

test: ## everything: installs what is missing, real servers and switches, race detector but where time is measured (root: nothing is skipped)
	@tools/install-packages test
	@$(GO) build -o .cache/bin/report ./test/report
	@for part in '-vx -race' -x; do \
	  set -- $$part; \
	  packages=$$($(GO) list $(PACKAGES) | grep $$1 '$(TIMED)' || true); \
	  [ -z "$$packages" ] || { echo "$(GO) test $$2 $$(echo $$packages | wc -w) packages" >&2; $(GO) test $$2 -count=1 -timeout 20m -json $$packages; }; \
	done | .cache/bin/report

race: ## the scenarios of make test with the race detector, 20 min
	@tools/install-packages test
	@$(GO) build -o .cache/bin/report ./test/report
	$(GO) test -race -count=1 -timeout 60m -parallel 2 -json ./test/scenario/fast | .cache/bin/report

e2e: ## every scenario of several chassis with real packets, real DHCP clients and outages, metadata, and floods (root)
	@tools/install-packages test
	@$(GO) build -o .cache/bin/report ./test/report
	$(GO) test -count=1 -timeout 20m -parallel 4 -json -run '^(TestScenarios|TestFloodsHurtNobody|TestMetadata|TestMetadataInOutages)$$' ./test/e2e -args -scenarios . -measured | .cache/bin/report

e2e-load: ## whether a gateway takes over from another while other processes want all processors, ten minutes (root)
	@tools/install-packages test
	$(GO) test -count=1 -timeout 20m -v -run '^TestScenarios$$' ./test/e2e -args -scenarios '^gateway-load$$' -load 10

short: ## the quick tests, without race detector and root
	$(GO) test -short $(PACKAGES)

lint: $(LINTER) ## gofmt, golangci-lint (with go vet), tidy go.mod, shell syntax
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	$(GO) mod tidy -diff
	$(LINTER) run
	for script in .ci/run $$(git ls-files tools | grep -v '\.'); do bash -n $$script; done

golden: ## write expected outputs and generated pages anew; read the diff like code
	$(GO) test $$(tools/golden-packages) -update

check: test e2e demo check-plugin neutron-short tempest-quick lint ## what CI runs: test (which compares the generated pages), e2e, demo, the plugin in a real Neutron and Neutron's own tests on it, lint, a short fuzz
	$(MAKE) fuzz FUZZTIME=5s

neutron: build $(SERVED) ## a real Neutron (RELEASE=zed: Debian's) with Keystone, and three chassis, for the openstack client, until interrupted (root)
	@tools/install-packages demo
	@$(GO) build -o .cache/bin/neutron ./test/neutron
	.cache/bin/neutron -program bin/dragonflow -python $(SERVED)

neutron-test: build $(NEUTRON) ## every scenario through a real Neutron, outages between the two, and then make tempest: an hour (root)
	@tools/install-packages test
	$(GO) test -tags neutron -count=1 -timeout 90m -v ./test/neutron -args -program $(CURDIR)/bin/dragonflow -python $(NEUTRON)
	@$(MAKE) tempest

neutron-short: build $(NEUTRON) ## outages between a real Neutron and servers, and some scenarios through it, ten minutes (root)
	@tools/install-packages test
	$(GO) test -tags neutron -count=1 -timeout 20m -v -run '^(TestNeutron|TestScenarios)$$' ./test/neutron -args -program $(CURDIR)/bin/dragonflow -python $(NEUTRON) -scenarios '$(NEUTRON_SHORT)'

tempest: build $(SERVED) $(if $(filter zed,$(RELEASE)),,$(TEMPEST)) ## Neutron's own tests of its API on a real Neutron, compared with ML2/OVN and docs/tempest.md (RELEASE=zed, REGEX=; 20 min, root)
	@tools/install-packages demo
	@$(GO) build -o .cache/bin/tempest ./test/tempest
	.cache/bin/tempest -release $(RELEASE) -python $(SERVED) -tests $(if $(filter zed,$(RELEASE)),$(ZED),$(TEMPEST)) -concurrency $(CONCURRENCY) -regex '$(REGEX)' $(ARGS)

tempest-quick: ## those of them that say most for their time, minutes (RELEASE=zed; root)
	@$(MAKE) tempest REGEX= ARGS='-list test/tempest/quick.txt $(ARGS)'

neutron-chaos: build $(NEUTRON) ## everything around Neutron's database is killed at random while clients work, then all must agree (DURATION=30m, SEED=n; root)
	@tools/install-packages test
	@mkdir -p .cache/chaos
	$(GO) test -tags neutron -count=1 -timeout 3h -v -artifacts -outputdir $(CURDIR)/.cache/chaos -run '^TestChaos$$' ./test/neutron -args -program $(CURDIR)/bin/dragonflow -python $(NEUTRON) -duration $(DURATION) -seed $(SEED)

check-plugin: $(NEUTRON) ## ruff, mypy and pytest of neutron-plugin
	cd neutron-plugin && for check in 'ruff check .' 'ruff format --check .' mypy pytest; do $(NEUTRON)/bin/$$check; done

fuzz: ## fuzz every parser for FUZZTIME each (30s)
	tools/fuzz $(FUZZTIME)

bench: build ## measure beside peers and limits, budgets checked, 10 min (BENCH=regexp; root)
	@tools/install-packages bench
	$(GO) run ./bench -only '$(BENCH)'

bench-full: build ## the same with the sizes that take longer, an hour
	@tools/install-packages bench
	$(GO) run ./bench -full -only '$(BENCH)'

.PHONY: bench-neutron
bench-neutron: build $(NEUTRON) ## calls of Neutron's API beside ML2/OVN in the same installation, 15 min (root)
	@tools/install-packages bench
	$(GO) run ./bench -only '^neutron$$' -python $(NEUTRON)

fleet: build ## 1,000 controllers with simulated switches and 100,000 ports on one etcd (12 GiB, minutes; root)
	@tools/install-packages bench
	$(GO) run ./bench -full -only '^fleet$$'

bench-packages: ## the packages' own benchmarks, of single functions (PACKAGES=./...)
	@tools/install-packages bench
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m $(PACKAGES)

check-install: ## prove make demo and make test on a bare Debian 12 in a chroot (root, 20 min)
	tools/check-install

install: build ## put the binary, the units and the example configuration under PREFIX (/usr/local)
	install -D -m 0755 bin/dragonflow $(DESTDIR)$(PREFIX)/bin/dragonflow
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system deploy/systemd/*.service
	sed -i 's|^ExecStart=/usr/local/|ExecStart=$(PREFIX)/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/dragonflow-*.service
	install -D -m 0644 deploy/systemd/dragonflow.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/dragonflow.conf
	install -D -m 0644 deploy/dragonflow.yaml $(DESTDIR)$(PREFIX)/share/doc/dragonflow/dragonflow.yaml

clean: ## remove what the other targets left in this folder
	rm -rf bin .cache

$(LINTER): tools/go.mod
	@echo 'building golangci-lint (once, some minutes)'
	$(GO) build -C tools -o ../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(NEUTRON):
	@tools/install-packages neutron
	@tools/neutron-environment $(NEUTRON)

$(ZED):
	@tools/install-packages zed
	@tools/neutron-environment $(ZED) zed

$(TEMPEST):
	@tools/install-packages neutron
	@tools/neutron-environment $(TEMPEST) tempest
