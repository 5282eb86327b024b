package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"releve"
)

// Commits counts, by pg_waldump and without decoding, the transactions that changed rows of
// the site from the fork on: how many Decode must find. Those of other databases and of
// PostgreSQL's own catalogues are not counted.
func (a *Aside) Commits(ctx context.Context, p releve.Parting) (int, error) {
	started, err := a.own.descent(ctx)
	if err != nil {
		return 0, err
	}
	if n := len(started.forks); n > 0 && p.Fork < started.forks[n-1].At {
		return 0, fmt.Errorf("the fork at %s is on an earlier timeline than %d", p.Fork, p.Timeline)
	}
	var oid uint32
	if err := a.own.ask(ctx, askLimit, []any{&oid}, `SELECT oid FROM pg_database WHERE datname = $1`, database); err != nil {
		return 0, err
	}
	count := commitCount{fork: p.Fork, relations: fmt.Sprintf("/%d/", oid), wrote: map[string]bool{}}
	records := &lineWriter{each: count.take}
	err = a.own.runTo(ctx, records, "", nil, "pg_waldump", "--path="+a.own.path("data", "pg_wal"),
		fmt.Sprintf("--timeline=%d", p.Timeline), "--start="+segmentStart(p.Fork-min(1, p.Fork)).String(),
		"--rmgr=Transaction", "--rmgr=Heap", "--rmgr=Heap2")
	records.flush()
	if err := wholeLog(err); err != nil {
		return 0, fmt.Errorf("the transactions in the log of %s cannot be counted: %w", a.name, err)
	}
	return count.commits, nil
}

// commitCount reads the lines of pg_waldump.
type commitCount struct {
	fork      releve.LSN
	relations string          // how the files of the site's database are named
	wrote     map[string]bool // transactions that changed a row of the site
	commits   int
}

var (
	walTransaction = regexp.MustCompile(`tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*desc: (\S+)`)
	walRelation    = regexp.MustCompile(`rel \d+(/\d+/)(\d+) blk`)
	walSubxacts    = regexp.MustCompile(`subxacts:((?: \d+)+)`)
)

// firstOfUsers is the least number of what users make (PostgreSQL access/transam.h,
// FirstNormalObjectId).
const firstOfUsers = 16384

func (n *commitCount) take(line string) {
	found := walTransaction.FindStringSubmatch(line)
	if found == nil {
		return
	}
	tx, what := found[1], found[3]
	if what != "COMMIT" {
		n.wrote[tx] = n.wrote[tx] || changesRow(what) && n.isSites(line)
		return
	}
	at, err := releve.ParseLSN(found[2])
	if err == nil && at >= n.fork && n.anyWrote(tx, line) {
		n.commits++
	}
}

func changesRow(what string) bool {
	return slices.Contains([]string{"INSERT", "UPDATE", "HOT_UPDATE", "DELETE", "MULTI_INSERT"},
		strings.TrimSuffix(what, "+INIT"))
}

func (n *commitCount) isSites(line string) bool {
	for _, relation := range walRelation.FindAllStringSubmatch(line, -1) {
		number, err := strconv.ParseUint(relation[2], 10, 32)
		if err == nil && relation[1] == n.relations && number >= firstOfUsers {
			return true
		}
	}
	return false
}

// anyWrote asks for a transaction and those within it.
func (n *commitCount) anyWrote(tx, line string) bool {
	all := []string{tx}
	if found := walSubxacts.FindStringSubmatch(line); found != nil {
		all = append(all, strings.Fields(found[1])...)
	}
	return slices.ContainsFunc(all, func(tx string) bool { return n.wrote[tx] })
}
