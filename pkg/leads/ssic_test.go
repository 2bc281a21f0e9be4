package leads

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTaxonomyIsWhole(t *testing.T) {
	t.Parallel()
	sections, divisions := 0, map[string]bool{}
	for _, in := range Industries() {
		require.NotEmpty(t, in.Title)
		require.Less(t, in.codes.lo, in.codes.hi, in.Code)
		if in.Code == in.Section {
			sections++
			continue
		}
		require.Regexp(t, `^[0-9]{2}$`, in.Code)
		require.False(t, divisions[in.Code], "%s twice", in.Code)
		divisions[in.Code] = true
	}
	require.Equal(t, 22, sections)
	require.Len(t, divisions, 82, "81 of A to U, and 00 for what is not adequately defined")
	for _, other := range []string{"05", "06", "07", "33", "39", "45"} {
		require.False(t, divisions[other], "%s is a division of ISIC that SSIC 2020 has not", other)
	}
	// Every division lies in its section's range and in no other's: ranges are what rules search by.
	for _, section := range Industries() {
		if section.Code != section.Section {
			continue
		}
		for _, division := range Industries() {
			if division.Code != division.Section {
				inside := division.codes.lo >= section.codes.lo && division.codes.hi <= section.codes.hi
				require.Equal(t, division.Section == section.Code, inside, "%s in %s", division.Code, section.Code)
			}
		}
	}
}

func TestWordsAreUnambiguous(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, in := range Industries() {
		for _, word := range in.also {
			require.Empty(t, seen[normalizeTerm(word)], "%q means %s too", word, in.Code)
			seen[normalizeTerm(word)] = in.Code
			found, ok := findIndustry(word)
			require.True(t, ok)
			require.Equal(t, in.codes, found.codes, word)
		}
	}
}

func TestFindIndustry(t *testing.T) {
	t.Parallel()
	for term, code := range map[string]string{
		"J": "J", "j": "J", "62": "62", "Information and Communications": "J", "information & communications": "J",
		" Software ": "62", "SaaS": "62",
		"F&B": "56", "f & b": "56", "e-commerce": "47", "education": "P", "Real Estate Activities": "L",
		"construction": "F",
	} {
		in, ok := findIndustry(term)
		require.True(t, ok, term)
		require.Equal(t, code, in.Code, term)
	}
	for _, term := range []string{"", "Z", "621", "softwares", "%", "' OR 1=1"} {
		_, ok := findIndustry(term)
		require.False(t, ok, term)
	}
}

func TestPrefixRange(t *testing.T) {
	t.Parallel()
	require.Equal(t, codeRange{"62", "63"}, prefixRange("62"))
	require.Equal(t, codeRange{"0111", "0112"}, prefixRange("0111"))
	require.Equal(t, codeRange{"99", "9:"}, prefixRange("99")) // ':' follows '9'
}
