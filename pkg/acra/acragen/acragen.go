// Package acragen writes synthetic rows of the company register: any number of rows, reproducible from a seed, in
// constant memory.
//
// It owns the content of a row, for `leadctl demo`, tests and benchmarks. Columns and the shares of statuses, types and
// missing values follow the published register, and every UEN has the right check letter. No row describes a real
// company or person: names are random syllables, and the column of the issuing agency says SYNTHETIC. Package acra
// reads the rows.
package acragen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/leadctl/leadctl/pkg/acra"
)

// Agency is the value of issuance_agency_id in every generated row.
const Agency = "SYNTHETIC"

// Options of Write. Shares are from 0 to 1.
type Options struct {
	Changed  float64 // share of rows that differ from a run without Changed, as after a month
	New      float64 // rows appended after the others, as a share of them
	Gone     float64 // share of rows left out
	Dirty    float64 // share of rows with one Trap each
	LiveOnly bool    // write only rows of the three live statuses, and still the requested number
	Traps    []Trap  // traps to use; nil means all
	CRLF     bool    // end lines with CR LF, and start the file with a byte order mark
}

// Tally counts what Write wrote.
type Tally struct {
	Rows    int // rows, without the header
	Live    int // rows with a live status
	Changed int
	Traps   map[Trap]int
}

// Header returns the header line, without a line end.
func Header() string { return strings.Join(acra.Columns(), ",") }

// Write writes a header and rows. Each row depends only on seed and its number, so another share of dirty or changed
// rows leaves the other rows unchanged.
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

// generator generates one row at a time.
type generator struct {
	seed     uint64
	opts     Options
	row      *rand.Rand // values of the current row
	rowPCG   *rand.PCG
	dice     *rand.Rand // whether the current row is changed, left out or dirty
	dicePCG  *rand.PCG
	n        uint64
	ids      uenCounters
	words    vocabulary
	vals     [53]string
	line     []byte
	priorUEN string // UEN of an earlier row, for SameUEN
	tally    Tally
}

func newGenerator(seed uint64, opts Options) *generator {
	g := &generator{seed: seed, opts: opts, rowPCG: rand.NewPCG(0, 0), dicePCG: rand.NewPCG(0, 0),
		ids: newUENCounters(), words: newVocabulary(), tally: Tally{Traps: map[Trap]int{}}}
	g.row, g.dice = rand.New(g.rowPCG), rand.New(g.dicePCG)
	if len(g.opts.Traps) == 0 {
		g.opts.Traps = allTraps()
	}
	return g
}

// nextLine returns the next row as a line, nil when the row is left out. Added rows are never changed or left out.
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

// appendCSV appends values as CSV, quoted where necessary.
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
