# make build     build/, a tree that can be copied anywhere and run from there by any user
# make demo      builds, then judges C++ submissions and jails a hostile script before your eyes
# make test      all checks and tests; .ci/run is this
# make check     the checks alone
# make test-guest  jail on other kernels and on arm64, in emulated machines
# make install   copies build/ to $(DESTDIR)$(PREFIX)

MAKEFLAGS += --no-print-directory

PREFIX  = /usr/local
VERSION := $(shell git describe --always --dirty 2>/dev/null)

LDFLAGS      = -s -w
JAIL_LDFLAGS = $(LDFLAGS) -E main.entry $(if $(VERSION),-X main.version=$(VERSION))
PLAN_LDFLAGS = $(LDFLAGS) -linkmode external -extldflags "-static"

# What root builds, everybody can read.
GO_BUILD = go build -trimpath -buildvcs=false
PURE     = umask 022; CGO_ENABLED=0 $(GO_BUILD)
CGO      = umask 022; CGO_ENABLED=1 $(GO_BUILD) -tags netgo,osusergo

TREE  = build/bin/jail build/libexec/jail/jail-plan \
        $(patsubst plugins/%,build/libexec/jail/jail-plugin-%,$(wildcard plugins/*))
STALE = $(filter-out $(TREE),$(wildcard build/bin/* build/libexec/jail/*))

.PHONY: build demo test test-guest check install clean setup setup-test
.NOTPARALLEL: # the go command uses all processors by itself

setup:
	@scripts/setup

setup-test:
	@scripts/setup test

build: setup
	$(if $(STALE),rm -rf $(STALE))
	$(PURE) -ldflags '$(JAIL_LDFLAGS)' -o build/bin/ ./cmd/jail
	$(PURE) -ldflags '$(LDFLAGS)' -o build/libexec/jail/ ./plugins/...
	$(CGO) -ldflags '$(PLAN_LDFLAGS)' -o build/libexec/jail/ ./cmd/jail-plan

demo: build
	@scripts/demo

test: check
	scripts/test
	$(MAKE) test-guest

test-guest: setup-test build
	guest/setup
	JAIL_GUEST=$(CURDIR)/guest/build go test -tags guest -count=1 -timeout 10m ./guest

check: setup-test build
	! gofmt -l . | grep .
	go mod tidy -diff
	go vet ./...
	go vet -tags guest ./guest/...
	go tool staticcheck ./...
	CGO_ENABLED=0 GOARCH=arm64 go build -o /dev/null ./cmd/jail
	CGO_ENABLED=0 GOARCH=arm64 go vet ./core/launch

# What make build left is installed as it is: root need not have Go.
install: | build/bin/jail
	umask 022; install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/jail
	install -m 755 build/bin/* $(DESTDIR)$(PREFIX)/bin
	install -m 755 build/libexec/jail/* $(DESTDIR)$(PREFIX)/libexec/jail
	umask 022; install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5

build/bin/jail:
	$(MAKE) build

clean:
	rm -rf build guest/build
