#!/bin/sh
# Formatting, vet, staticcheck and known vulnerabilities, all of them before it
# fails. The tools have a module of their own, scripts/tools/, so that their
# dependencies are not the product's.
set -u
failed=0
GOBIN=$PWD/bin go -C scripts/tools install tool || exit 1

unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted (gofmt -w mends it):\n%s\n' "$unformatted"
	failed=1
fi
go vet ./... || failed=1
bin/staticcheck ./... || failed=1
bin/govulncheck ./...
case $? in
0) ;;
1) echo "known vulnerabilities: NOT CHECKED, the lines above say why (govulncheck reads https://vuln.go.dev)" ;;
*) failed=1 ;;
esac
exit $failed
