package site

import (
	"maps"
	"slices"
)

// ReplaceAll is what replaces the files of a renewal, in the order of their names.
func ReplaceAll(dir string, texts map[string]string) error {
	var files []file
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		files = append(files, file{name, []byte(texts[name])})
	}
	return replaceAll(dir, files)
}
