package config

import (
	"slices"
	"strings"
)

// nearestKey returns the one of words that is nearest to typed. If typed has no dot, it is also compared with the last
// part of each word, so that dsn is near database.dsn.
func nearestKey(typed string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int { return keyDistance(typed, a) - keyDistance(typed, b) })
}

func keyDistance(typed, word string) int {
	d := editDistance(typed, word)
	if tail := word[strings.LastIndexByte(word, '.')+1:]; !strings.Contains(typed, ".") {
		return min(d, 1+editDistance(typed, tail))
	}
	return d
}

// editDistance returns the Levenshtein distance of a and b in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
