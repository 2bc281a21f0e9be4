package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A walk is a fenced block of a page that says in which order a stranger reads the code:
//
//	pkg/httpapi/routes.go Server.routes           what this function does on the way
//	  ⇢ row pkg/httpapi/leads.go Server.getScores
//	    → pkg/leads/read.go Latest
//
// The line above with the smaller indent leads to a line: → by a direct call; ⇢ row by naming the function in a table
// or handing it on; ⇢ job by making the arguments of the job that it works; ⇢ interface by a call through an interface;
// ⇢ field by a call of a field that is set to it somewhere; ⇢ template by rendering the file.
type walkStep struct {
	at     string // page and line, for messages
	indent int
	kind   string // of arrow; "" begins a walk
	place
}

// TestWalksFollowCalls: each arrow that a page prints is one of the code, and each count of files is the walk's.
func TestWalksFollowCalls(t *testing.T) {
	t.Parallel()
	code := readProgram(t)
	var walks []walkBlock
	for _, page := range docPages(t) {
		walks = append(walks, readWalks(t, page)...)
	}
	require.GreaterOrEqual(t, len(walks), 5, "first sign-in, ingestion, push, guarded read, page")
	for _, w := range walks {
		files, returns := countFiles(w.steps)
		assert.Equal(t, fmt.Sprintf("Files: %d. Returns: %d.", files, returns), w.counts, "%s: the line above the walk",
			w.steps[0].at)
		var above []walkStep
		for _, step := range w.steps {
			for len(above) > 0 && above[len(above)-1].indent >= step.indent {
				above = above[:len(above)-1]
			}
			code.checkStep(t, above, step)
			above = append(above, step)
		}
	}
	code.refuseWrongArrows(t, walks[0].steps)
}

// refuseWrongArrows turns a walk around: its last function leads to its first by no arrow.
func (p *program) refuseWrongArrows(t *testing.T, steps []walkStep) {
	t.Helper()
	from, to := p.byPlace[steps[len(steps)-1].place], p.byPlace[steps[0].place]
	for _, kind := range []string{"call", "row", "job", "interface", "field", "template"} {
		require.False(t, p.leads(from, to, walkStep{kind: kind, place: steps[0].place}), kind)
	}
}

func (p *program) checkStep(t *testing.T, above []walkStep, step walkStep) {
	t.Helper()
	to := p.byPlace[step.place]
	if step.kind != "template" && to == nil {
		t.Errorf("%s: no function %s in %s", step.at, step.name, step.file)
		return
	}
	if len(above) == 0 {
		assert.Empty(t, step.kind, "%s: no line above leads here", step.at)
		return
	}
	from := p.byPlace[above[len(above)-1].place]
	if from != nil && !p.leads(from, to, step) {
		t.Errorf("%s: %s does not lead to %s by %q", step.at, from.name, path.Base(step.file)+" "+step.name, step.kind)
	}
}

// leads reports whether from leads to a step in the way that its arrow says. to is the step's function, nil for a
// template.
func (p *program) leads(from, to *station, step walkStep) bool {
	switch step.kind {
	case "call":
		return from.calls(to)
	case "row":
		return from.hands(to)
	case "job":
		return from.enqueues(to)
	case "interface":
		return from.callsInterface(to)
	case "field":
		return p.callsField(from, to)
	}
	_, err := os.Stat(filepath.Join(repoRoot, step.file))
	return err == nil && from.mentions(strings.TrimSuffix(path.Base(step.file), ".html"))
}

// countFiles says how many files a walk opens, and how often it comes back to one that it has left.
func countFiles(steps []walkStep) (files, returns int) {
	seen, last := map[string]bool{}, ""
	for _, step := range steps {
		if seen[step.file] && step.file != last {
			returns++
		}
		seen[step.file], last = true, step.file
	}
	return len(seen), returns
}

type walkBlock struct {
	counts string // "Files: N. Returns: M.", from the line above
	steps  []walkStep
}

// readWalks finds the walks of a page. An arrow between files anywhere else is a chain that no test follows.
func readWalks(t *testing.T, page string) (walks []walkBlock) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repoRoot, page))
	require.NoError(t, err)
	counts, inside := "", false
	for i, line := range strings.Split(string(text), "\n") {
		at := fmt.Sprintf("%s:%d", page, i+1)
		switch {
		case line == "```walk":
			inside, walks = true, append(walks, walkBlock{counts: counts})
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			w := &walks[len(walks)-1]
			w.steps = append(w.steps, readStep(t, at, line))
		default:
			assert.NotRegexp(t, `\.go\b[^|]*(→|⇢)[^|]*\.go\b`, line, "%s: write it as a walk", at)
		}
		if line != "" && !inside {
			counts = regexp.MustCompile(`Files: \d+\. Returns: \d+\.|$`).FindString(line)
		}
	}
	return walks
}

func readStep(t *testing.T, at, line string) walkStep {
	t.Helper()
	form := regexp.MustCompile(`^( *)(?:(→)|⇢ (row|job|interface|field|template))? ?` +
		`((?:cmd|pkg)/\S+\.(?:go|html))(?: +([A-Za-z][\w.]*))?(?:  .*)?$`)
	found := form.FindStringSubmatch(line)
	require.NotNil(t, found, "%s: not [→ | ⇢ kind] file function  remark", at)
	kind := found[3]
	if found[2] != "" {
		kind = "call"
	}
	return walkStep{at, len(found[1]), kind, place{found[4], found[5]}}
}
