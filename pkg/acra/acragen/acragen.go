// Package acragen writes made-up rows of the company register: any number, the same for the same seed, one at a time.
//
// It owns what a row looks like, for `leadctl demo`, tests and benchmarks: columns, shares of statuses, types and missing
// values follow the published register, and every UEN has the right check letter. Nothing in it describes a real company
// or person: names are strung together from syllables, and every row says SYNTHETIC where the register names its issuing
// agency. Reading such rows is package acra.
package acragen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/leadctl/leadctl/pkg/acra"
)

// Agency stands in the column issuance_agency_id of every generated row.
const Agency = "SYNTHETIC"

// Options of Write. Shares are between 0 and 1.
type Options struct {
	Changed  float64 // rows that differ from those of a run without it, as a month later
	New      float64 // rows added after the others, as a share of them
	Gone     float64 // rows left out
	Dirty    float64 // rows that carry one Trap each
	LiveOnly bool    // only rows of the three live statuses; as many are written as without it
	Traps    []Trap  // which traps; nil means all
	CRLF     bool    // lines end in CR LF, and the file begins with a byte order mark
}

// Tally is what Write wrote.
type Tally struct {
	Rows    int // without the header
	Live    int // of a live status
	Changed int
	Traps   map[Trap]int
}

// Header is the first line, without its end.
func Header() string { return strings.Join(acra.Columns(), ",") }

// Write writes a header and rows, each determined by seed and its number alone: another share of dirt or changes leaves
// the other rows as they are.
func Write(w io.Writer, rows int, seed uint64, opts Options) (Tally, error) {
	g := newGenerator(seed, opts)
	out := bufio.NewWriterSize(w, 256<<10)
	end := "\n"
	if opts.CRLF {
		end = "\r\n"
		if _, err := out.WriteString("\ufeff"); err != nil {
			return g.tally, err
		}
	}
	if _, err := out.WriteString(Header() + end); err != nil {
		return g.tally, err
	}
	total := rows + int(float64(rows)*opts.New)
	for g.tally.Rows < total {
		line := g.nextLine(g.tally.Rows >= rows)
		if line == nil {
			if !opts.LiveOnly {
				total--
			}
			continue
		}
		g.tally.Rows++
		if _, err := out.Write(line); err != nil {
			return g.tally, fmt.Errorf("synthetic register: %w", err)
		}
		if _, err := out.WriteString(end); err != nil {
			return g.tally, fmt.Errorf("synthetic register: %w", err)
		}
	}
	return g.tally, out.Flush()
}

// generator makes one row after the other.
type generator struct {
	seed     uint64
	opts     Options
	row      *rand.Rand // of this row alone
	rowPCG   *rand.PCG
	dice     *rand.Rand // for changes, gaps and dirt
	dicePCG  *rand.PCG
	n        uint64
	ids      uenCounters
	words    vocabulary
	vals     [53]string
	line     []byte
	priorUEN string // UEN of an earlier row, for the trap of the same UEN twice
	tally    Tally
}

func newGenerator(seed uint64, opts Options) *generator {
	g := &generator{seed: seed, opts: opts, rowPCG: rand.NewPCG(0, 0), dicePCG: rand.NewPCG(0, 0), ids: newUENCounters(), words: newVocabulary(), tally: Tally{Traps: map[Trap]int{}}}
	g.row, g.dice = rand.New(g.rowPCG), rand.New(g.dicePCG)
	if len(g.opts.Traps) == 0 {
		g.opts.Traps = allTraps()
	}
	return g
}

// nextLine is the next row as a line, nil for one that is left out. added rows are never changed or left out.
func (g *generator) nextLine(added bool) []byte {
	g.n++
	g.rowPCG.Seed(g.seed, g.n)
	g.dicePCG.Seed(g.seed^0x9e3779b97f4a7c15, g.n)
	g.fillRow()
	gone, changed, dirty, which := g.dice.Float64(), g.dice.Float64(), g.dice.Float64(), g.dice.IntN(1<<20)
	live := strings.HasPrefix(g.vals[colStatus], "Live")
	if g.opts.LiveOnly && !live || !added && gone < g.opts.Gone {
		return nil
	}
	if !added && changed < g.opts.Changed {
		g.changeRow()
		g.tally.Changed++
	}
	if live {
		g.tally.Live++
	}
	clean := g.vals[colUEN]
	if dirty < g.opts.Dirty {
		trap := g.opts.Traps[which%len(g.opts.Traps)]
		g.tally.Traps[trap]++
		g.encodeTrap(trap)
	} else {
		g.line = appendCSV(g.line[:0], g.vals[:])
	}
	g.priorUEN = clean
	return g.line
}

// appendCSV joins values, quoting those that need it.
func appendCSV(line []byte, vals []string) []byte {
	for i, v := range vals {
		if i > 0 {
			line = append(line, ',')
		}
		if !strings.ContainsAny(v, ",\"\r\n") {
			line = append(line, v...)
			continue
		}
		line = append(line, '"')
		line = append(line, strings.ReplaceAll(v, `"`, `""`)...)
		line = append(line, '"')
	}
	return line
}
