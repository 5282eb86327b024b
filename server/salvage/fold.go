package salvage

import (
	"maps"
	"slices"
	"strings"

	"releve"
)

// fold takes together what transactions did to each row, in the order in which the rows
// were first changed. An operator decides about rows, and a row that was written twice
// would otherwise conflict with itself.
func fold(transactions []releve.LoneTransaction) []releve.SalvageChange {
	var changes []releve.SalvageChange
	place := map[string]int{}
	for _, t := range transactions {
		for _, c := range t.Changes {
			name := identify(c)
			i, seen := place[name]
			if !seen {
				i = len(changes)
				place[name] = i
				changes = append(changes, first(i+1, c))
			}
			join(&changes[i], t, c)
		}
	}
	return changes
}

// first is a row before its first change. How it was is known of an insertion, and
// wherever the log tells it whole (manual, ALTER TABLE, REPLICA IDENTITY).
func first(number int, c releve.RowChange) releve.SalvageChange {
	return releve.SalvageChange{
		Number: number, Table: c.Table, Key: c.Key,
		Before: c.Before, Known: c.Op == releve.RowInserted || c.Before != nil,
	}
}

func join(net *releve.SalvageChange, t releve.LoneTransaction, c releve.RowChange) {
	net.After, net.At = c.After, t.At
	net.Times++
	wasThere := !net.Known || net.Before != nil
	switch {
	case c.After == nil:
		net.Op = releve.RowDeleted
	case wasThere:
		net.Op = releve.RowUpdated
	default:
		net.Op = releve.RowInserted
	}
}

// identify gives each row of each table a name of its own.
func identify(c releve.RowChange) string {
	var name strings.Builder
	name.WriteString(c.Table)
	for _, column := range slices.Sorted(maps.Keys(c.Key)) {
		name.WriteByte(0) // in no text of PostgreSQL
		if v := c.Key[column]; v != nil {
			name.WriteString("=" + *v)
		}
	}
	return name.String()
}
