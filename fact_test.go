package releve_test

import (
	"slices"
	"testing"

	"releve"
)

func TestWhatIsNoCallsIsNobodysRecord(t *testing.T) {
	over := releve.Fact{ID: "over", Kind: releve.RunOver}
	begins, ends := releve.Fact{ID: "begins", Call: "1"}, releve.Fact{ID: "ends", Call: "1"}
	var ids []releve.FactID
	for _, f := range releve.OfCalls([]releve.Fact{over, begins, over, ends}) {
		ids = append(ids, f.ID)
	}
	if want := []releve.FactID{"begins", "ends"}; !slices.Equal(ids, want) {
		t.Errorf("of calls are %v, want %v", ids, want)
	}
}
