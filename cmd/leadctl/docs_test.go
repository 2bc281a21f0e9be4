package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/config"
)

// TestGeneratedDocs compares the generated pages, and the generated blocks of docs/design.md, with the code.
func TestGeneratedDocs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"cli.md": cliPage(), "config.md": configPage(),
		"design.md": designPage(t)} {
		path := filepath.Join(repoRoot, "docs", name)
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
			continue
		}
		have, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, want == string(have),
			"docs/%s is out of date: go test ./cmd/leadctl -run TestGeneratedDocs -update", name)
	}
}

const generatedNote = "<!-- Generated: go test ./cmd/leadctl -run TestGeneratedDocs -update -->\n\n"

func cliPage() string {
	root := newRoot(newApp(nil, nil, nil))
	var page strings.Builder
	page.WriteString("# Commands\n\n" + generatedNote)
	page.WriteString(
		`Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, 3 an operator must act,
4 not found, 5 denied, 6 a dependency is unavailable, 130 interrupted. Settings without a flag are in
[config.md](config.md).

Global flags:

`,
	)
	page.WriteString(codeBlock(root.PersistentFlags().FlagUsages()))
	writeCommand(&page, root)
	return page.String()
}

func writeCommand(page *strings.Builder, cmd *cobra.Command) {
	if cmd.HasParent() {
		text := strings.TrimSpace(orElse(cmd.Long, cmd.Short))
		fmt.Fprintf(page, "## %s\n\n%s\n\n", cmd.CommandPath(), text)
		if !cmd.HasAvailableSubCommands() {
			page.WriteString(codeBlock(cmd.UseLine()))
		}
		if cmd.HasExample() {
			page.WriteString(codeBlock(cmd.Example))
		}
		if flags := cmd.LocalNonPersistentFlags().FlagUsages(); flags != "" {
			page.WriteString(codeBlock(flags))
		}
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && cmd.Name() != "completion" { // the pages of its shells are alike
			writeCommand(page, sub)
		}
	}
}

// TestLinksInDocsResolve checks that each link between pages names an existing file and heading.
func TestLinksInDocsResolve(t *testing.T) {
	t.Parallel()
	link, followed := regexp.MustCompile(`\]\(([^)\s]+)\)`), 0
	for _, page := range docPages(t) {
		page = filepath.Join(repoRoot, page)
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			to, heading, _ := strings.Cut(found[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			followed++
			target := page
			if to != "" {
				target = filepath.Join(filepath.Dir(page), to)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", page, found[1])
			if heading != "" {
				require.Contains(t, headings(t, target), heading, "%s links to %s", page, found[1])
			}
		}
	}
	require.Greater(t, followed, 30)
}

// headings returns the headings of a page in the form that links use.
func headings(t *testing.T, page string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		name := regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(h[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

// Hand-written pages keep lines within 160 columns and paragraphs within five lines. Output of programs may be longer.
func TestDocsAreShort(t *testing.T) {
	t.Parallel()
	for _, page := range docPages(t) {
		if slices.Contains([]string{"docs/cli.md", "docs/config.md"}, page) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(repoRoot, page))
		require.NoError(t, err)
		paragraph, fenced := 0, false
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced, paragraph = !fenced, 0
				continue
			}
			if fenced {
				continue
			}
			paragraph++
			if line == "" || regexp.MustCompile(`^( *[-*>|#]| *\d+\. )`).MatchString(line) {
				paragraph = 0
			}
			require.LessOrEqual(t, len([]rune(line)), 160, "%s:%d", page, i+1)
			require.LessOrEqual(t, paragraph, 5, "%s:%d: a paragraph of more than five lines", page, i+1)
		}
	}
}

// docPages are the repository's pages, from its root.
func docPages(t *testing.T) (pages []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(repoRoot, pattern))
		require.NoError(t, err)
		for _, page := range found {
			rel, err := filepath.Rel(repoRoot, page)
			require.NoError(t, err)
			pages = append(pages, filepath.ToSlash(rel))
		}
	}
	return pages
}

func codeBlock(block string) string { return "```\n" + strings.TrimRight(block, "\n") + "\n```\n\n" }

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// configIntro is the text above the lists of docs/config.md. An apostrophe stands for a backquote.
const configIntro = `Values are taken from the first of: flags, the chosen profile, environment variables, the file
'leadctl.yaml', defaults. 'leadctl config show' prints each setting with its value and origin.

The file is the one that '--config' or LEADCTL_CONFIG names, else the first that exists of './leadctl.yaml',
'$XDG_CONFIG_HOME/leadctl/leadctl.yaml' and '/etc/leadctl/leadctl.yaml'. An unknown key in the file is an error.
End the file with the line '...', YAML's end mark. leadctl then rejects a file that was cut short. Without the mark,
'leadctl serve' needs a value for 'onboarding.policy' in the file or elsewhere.

A profile holds the settings of one of several installations. It is a section of 'profiles' in the file, such as
'profiles: {staging: {database: {dsn_file: …}}}', and is chosen by '--profile staging' or LEADCTL_PROFILE. A profile
overrides the environment, so that a POSTGRES_DSN left in a shell does not direct a command to the wrong database.
Settings that the profile does not contain come from the other origins.

- An empty variable counts as not set.
- If a setting has two names, the first name wins.
- Items of a list are separated by commas.
- Switches are 1, true, yes, on or 0, false, no, off, in any letter case.
- Secrets (🔒) have no flag. Each can be read from a file: add '_FILE' to the variable or '_file' to the key.
`

func configPage() string {
	var page strings.Builder
	page.WriteString("# Configuration\n\n" + generatedNote)
	page.WriteString(strings.ReplaceAll(configIntro, "'", "`"))
	group := "-"
	for _, s := range config.Settings() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&page, "\n## %s\n\n", orElse(group, "Environment"))
		}
		page.WriteString(settingEntry(s))
	}
	return page.String()
}

// settingEntry returns the list item of a setting: key, variables, flag, default and description.
func settingEntry(s config.Setting) string {
	names := strings.Join(s.Env, ", ")
	if s.Secret != "" {
		names = "🔒 " + names
	}
	if s.Flag != "" {
		names += ", `--" + s.Flag + "`"
	}
	if s.Default != "" {
		names += ", default `" + s.Default + "`"
	}
	return wrapItem(fmt.Sprintf("- `%s` (%s): %s", s.Key, names, s.Doc))
}

// wrapItem breaks the text of a list item into lines of up to 120 columns.
func wrapItem(text string) string {
	var out, line string
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line = word
		case utf8.RuneCountInString(line+" "+word) > 120:
			out, line = out+line+"\n", "  "+word
		default:
			line += " " + word
		}
	}
	return out + line + "\n"
}
