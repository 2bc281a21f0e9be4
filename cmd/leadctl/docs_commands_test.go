package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestDocsNameRealCommands: every `leadctl …` in a code block or code span of a page is a command with flags that
// exist.
func TestDocsNameRealCommands(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, page := range docPages(t) {
		text, err := os.ReadFile(filepath.Join(repoRoot, page))
		require.NoError(t, err)
		for _, words := range commandsIn(string(text)) {
			checkCommand(t, page, words)
			checked++
		}
	}
	require.Greater(t, checked, 100)
}

// commandsIn returns the words after leadctl of each command line in the code of a page.
func commandsIn(text string) (found [][]string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	var code []string
	rest := regexp.MustCompile("(?s)```.*?```").ReplaceAllStringFunc(text, func(block string) string {
		code = append(code, strings.Split(block, "\n")...)
		return ""
	})
	for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(rest, -1) {
		code = append(code, strings.ReplaceAll(span[1], "\n", " "))
	}
	line := regexp.MustCompile(`(?:^|[$&;|] +|=\S+ )leadctl ((?:'[^']*'|[^'#|;&<>…])+)`)
	for _, c := range code {
		for _, m := range line.FindAllStringSubmatch(c, -1) {
			found = append(found, regexp.MustCompile(`'[^']*'|\S+`).FindAllString(m[1], -1))
		}
	}
	return found
}

func checkCommand(t *testing.T, page string, words []string) {
	t.Helper()
	cmd, line := newRoot(newApp(nil, nil, nil)), strings.Join(words, " ")
	cmd.InitDefaultHelpCmd()
	for len(words) > 0 && cmd.HasSubCommands() && !strings.HasPrefix(words[0], "-") {
		next := subcommand(cmd, words[0])
		if next == nil {
			require.Regexp(t, `^[A-Z[]`, words[0], "%s: leadctl %s: no command %s", page, line, words[0])
			return // a placeholder
		}
		cmd, words = next, words[1:]
	}
	for _, word := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case strings.HasPrefix(word, "--"):
			require.True(t, cmd.Flag(name) != nil || name == "help", "%s: leadctl %s: no flag --%s", page, line, name)
		case regexp.MustCompile(`^-[a-z]$`).MatchString(word):
			require.NotNil(t, cmd.Flags().ShorthandLookup(name), "%s: leadctl %s: no flag -%s", page, line, name)
		}
	}
}

func subcommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	return nil
}
