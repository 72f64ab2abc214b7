# What people and the CI run. Everything is quiet until it fails; `make help` lists the targets.
# Go is all that `demo`, `build` and `check` need; the other targets install the rest into .tools/ (scripts/install-tools.sh).

GO       ?= go
FUZZTIME ?= 10s
# One set of flags for everything, so that the dependencies are compiled once.
export GOFLAGS := $(strip $(filter-out -trimpath,$(shell $(GO) env GOFLAGS)) -trimpath)

TOOLS  := .tools/bin
STAGE  := $(TOOLS)/stage
RECORD := .work/stages.jsonl
RUN     = $(STAGE) -budget
GOTEST  = $(GO) test -json -vet=off

# The packages whose code runs in several goroutines.
CONCURRENT := $(patsubst %,./%/...,$(wildcard $(addprefix internal/,source stats upstream engine ads pipeline console devkit)))
SUITES     := $(wildcard test/square test/endurance test/examples test/guide test/istioctl test/browser test/explain test/prometheus)
SOURCES    := $(shell find cmd internal -name '*.go' -o -name '*.html' -o -name '*.js' 2>/dev/null) go.mod go.sum

.DEFAULT_GOAL := help
.PHONY: help demo build check test compile vet staticcheck gofumpt unit race suites square endurance guide examples explain istioctl browser prometheus sizes fuzz bench \
  bench-quick tools clean FORCE

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## a gateway with CORS over HTTPS and a backend, with what to try; Ctrl-C ends it (DEMO_SECONDS=5 too)
	@$(GO) run ./scripts/demo -bin bin/crossgate $(if $(DEMO_SECONDS),-for $(DEMO_SECONDS)s)

build: bin/crossgate ## bin/crossgate

bin/crossgate: $(SOURCES)
	@$(GO) build -o $@ ./cmd/crossgate

check: compile vet staticcheck gofumpt unit ## what every commit passes: build, lint, layers, unit tests (under 3 minutes)

test: .tools/envoy/VERSION ## everything the CI runs; the last line is the sum of all tests
	@rm -f $(RECORD)
	@STAGE_RECORD=$(RECORD) $(MAKE) --no-print-directory -k check race suites bench-quick; status=$$?; \
	  STAGE_RECORD=$(RECORD) $(STAGE) -report && exit $$status

# The stages of check. A stage tells its name, ends after its budget, and prints its output only when it failed.
compile: $(STAGE)
	@$(RUN) 10m build $(GO) build ./...

vet: $(STAGE)
	@$(RUN) 5m vet $(GO) vet ./...

staticcheck: $(STAGE) $(TOOLS)/VERSION
	@$(RUN) 5m staticcheck $(TOOLS)/staticcheck ./...

gofumpt: $(STAGE) $(TOOLS)/VERSION
	@$(RUN) 1m gofumpt sh -c 'test -z "$$($(TOOLS)/gofumpt -l $(wildcard bench cmd internal scripts test) | tee /dev/stderr)"'

unit: $(STAGE)
	@$(RUN) 5m -gotest "unit tests" $(GOTEST) -shuffle=on ./cmd/... ./internal/... ./scripts/... ./bench/... ./test/layers ./test/rawhttp

# The stages that test adds.
race: $(STAGE)
	@$(RUN) 10m -gotest "race tests" $(GOTEST) -race $(CONCURRENT)

suites: $(notdir $(SUITES))

square: $(STAGE) .tools/envoy/VERSION .tools/istioctl/VERSION ## the same bootstrap and requests on our engine and on a real Envoy
	@$(RUN) 10m -gotest square env SQUARE_N=10000 $(GOTEST) -count=1 -timeout 10m ./test/square/... ./test/envoy

endurance guide examples explain: $(STAGE) .tools/envoy/VERSION
	@$(RUN) 8m -gotest $@ $(GOTEST) -count=1 -timeout 8m ./test/$@/...

istioctl: $(STAGE) .tools/istioctl/VERSION .tools/envoy/VERSION ## proxy-config and analyze beside the real istioctl, on our dumps, Envoy's and generated ones
	@$(RUN) 8m -gotest istioctl $(GOTEST) -count=1 -timeout 8m ./test/istioctl ./test/analyze

browser: $(STAGE) ## the guide's credentials picture in a real Chromium
	@scripts/install-tools.sh chromium
	@$(RUN) 8m -gotest browser $(GOTEST) -count=1 -timeout 8m ./test/browser

prometheus: $(STAGE) ## a real Prometheus scrapes a gateway under known traffic and answers the guide's queries
	@scripts/install-tools.sh prometheus
	@$(RUN) 5m -gotest prometheus $(GOTEST) -count=1 -timeout 5m ./test/prometheus

sizes: ## the files and functions that are larger than we aim at
	@$(GO) test -count=1 -run TestSizes -v ./test/layers

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@scripts/fuzz.sh $(FUZZTIME)

bench: build .tools/envoy/VERSION ## side by side with Envoy, nginx and HAProxy, as ratios; and analyze on 10,000 VirtualServices
	@scripts/install-tools.sh peers
	@$(GO) run ./bench -crossgate bin/crossgate -envoy .tools/envoy/envoy $(BENCH)
	@$(GO) test -run '^$$' -bench 'Run/virtualservices=10000' -benchtime 3x ./internal/check

bench-quick: $(STAGE) build .tools/envoy/VERSION
	@$(RUN) 3m "bench, answers only" $(GO) run ./bench -quick -crossgate bin/crossgate -envoy .tools/envoy/envoy

tools: $(TOOLS)/VERSION .tools/envoy/VERSION ## install the tools of the tests into .tools/

$(STAGE): $(wildcard scripts/stage/*.go)
	@mkdir -p $(TOOLS)
	@$(GO) build -o $@ ./scripts/stage

# The script knows by itself what is current.
$(TOOLS)/VERSION: FORCE
	@scripts/install-tools.sh lint

.tools/envoy/VERSION: FORCE
	@scripts/install-tools.sh envoy

.tools/istioctl/VERSION: FORCE
	@scripts/install-tools.sh istioctl

FORCE:

.NOTPARALLEL:

clean: ## remove what was built; .tools/ stays
	@rm -rf bin .work
