package alarm

import "slices"

// ToldOf are the codes of the sentences by which rooms tell of a kind.
func ToldOf(code Code) (sentences []string) {
	for name, r := range rules {
		if r.Code == code {
			sentences = append(sentences, name)
		}
	}
	for row, r := range ofTakeover {
		if r.Code == code {
			sentences = append(sentences, "rule-"+row)
		}
	}
	return slices.Sorted(slices.Values(sentences))
}
