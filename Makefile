# make          what there is to make
# make demo     the main job in two minutes, on this machine; KEEP=1 leaves the site running
# make test     everything, on real parts (root, or sudo without a password)
# make chaos    whole sites through what a seed draws: N=20 schedules, SEED=1 to play one again
# make race     the product on real parts, with the race detector in it: ONLY=HalfDeaths for one test
# make soak     that, chaos for a night (N=1000 schedules), an hour of a stranger on the network
#               (STAY=1h), then a million fresh sites in virtual time
# make bench    the figures of docs/benchmarks.md
# make lint     formatting, vet, staticcheck, known vulnerabilities

FOR_DEMO := postgresql
FOR_TEST := $(FOR_DEMO) kamailio kamailio-extra-modules kamailio-tls-modules unbound sip-tester baresip-core espeak-ng sox chromium fonts-dejavu-core fonts-liberation nftables iproute2 git exim4-daemon-light rsyslog rsyslog-gnutls snmp snmptrapd smitools patchelf file strace systemd gcc libc6-dev

.PHONY: help build demo test chaos race soak bench lint

help:
	@sed -n 's/^# //p' Makefile

build:
	@CGO_ENABLED=0 go build -o bin/releve ./cmd/releve

demo:
	@scripts/install.sh $(FOR_DEMO)
	@$(MAKE) --no-print-directory build
	@exec bin/releve demo $(if $(KEEP),--keep)

test:
	@scripts/install.sh $(FOR_TEST)
	@scripts/test.sh $(ARGS)

chaos:
	@scripts/install.sh $(FOR_TEST)
	@scripts/chaos.sh "$(or $(N),20)" "$(SEED)" "$(ONLY)"

race:
	@scripts/install.sh $(FOR_TEST)
	@RELEVE_ACCEPTANCE_RACE=1 go test -count=1 -v -timeout 0 -run "$(or $(ONLY),.)" ./proof/acceptance

soak:
	@$(MAKE) --no-print-directory race
	@$(MAKE) --no-print-directory chaos N="$(or $(N),1000)"
	@go test -count=1 -v -timeout 0 -run '^TestAStrangerOnTheNetwork$$' ./proof/acceptance -args -stranger "$(or $(STAY),1h)" -strength 3
	@go test -count=1 -v -timeout 0 -run '^TestSeed$$' ./proof/sim -args -fresh -seeds 1000000

bench:
	@scripts/install.sh $(FOR_TEST)
	@scripts/bench.sh

lint:
	@scripts/lint.sh
