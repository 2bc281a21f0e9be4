package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// designPage is docs/design.md with its generated blocks made from the layer table, the package docs and the imports.
func designPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repoRoot, "docs", "design.md"))
	require.NoError(t, err)
	page := string(text)
	for name, block := range map[string]string{"picture": picture(), "packages": packageTable(t)} {
		between := regexp.MustCompile(`(?s)(<!-- ` + name + `, generated: [^\n]+ -->\n).*(<!-- end of ` + name +
			` -->)`)
		require.Regexp(t, between, page)
		page = between.ReplaceAllStringFunc(page, func(old string) string {
			marks := between.FindStringSubmatch(old)
			return marks[1] + "\n" + block + "\n" + marks[2]
		})
	}
	return page
}

// picture is one line for each layer, the highest first.
func picture() string {
	lines := []layer{{"commands: flags in, result out", []string{cmdPackage}}}
	for _, l := range slices.Backward(layers()) {
		lines = append(lines, l)
	}
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(namesOf(l))))
	}
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteString("  │\n")
		}
		fmt.Fprintf(&b, "%-*s   %s\n", width, namesOf(l), l.about)
	}
	return "```\n" + b.String() + "```\n"
}

func namesOf(l layer) string { return strings.Join(l.packages, " · ") }

// packageTable has a row for each package: what its doc says, up to the first colon, semicolon or period.
func packageTable(t *testing.T) string {
	t.Helper()
	purpose := map[string]string{}
	for _, f := range parseRepo(t) {
		if !f.test && f.Doc != nil {
			purpose[f.pkg] = firstClause(f.Doc.Text())
		}
	}
	var b strings.Builder
	b.WriteString("| package | purpose |\n|---|---|\n")
	for _, l := range slices.Backward(layers()) {
		for _, p := range l.packages {
			row := fmt.Sprintf("| `%s` | %s |", p, strings.ReplaceAll(purpose[p], "|", "\\|"))
			require.LessOrEqual(t, len(row), 160, "shorten the first sentence of the doc of package %s", p)
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

// firstClause is the beginning of a package doc without the words "Package x".
func firstClause(doc string) string {
	words := strings.Fields(doc)
	if len(words) > 2 && words[0] == "Package" {
		words = words[2:]
	}
	for i, word := range words {
		if end := strings.TrimRight(word, ".:;"); end != word {
			return strings.Join(append(words[:i:i], end), " ")
		}
	}
	return strings.Join(words, " ")
}
