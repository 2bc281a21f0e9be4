package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"golang.org/x/term"

	"github.com/leadctl/leadctl/pkg/leads"
)

// grid is a result as cells of text.
type grid struct {
	columns []string
	rows    [][]string
	single  bool // one struct: shown as name and value, line by line
	parts   []subTable
}

// subTable is a list inside a single result. On the screen it is a table of its own below the rest; in CSV it stays a cell.
type subTable struct {
	name string
	grid
}

func gridOf(t reflect.Type, encoded []byte) (grid, error) {
	g := grid{single: t.Kind() != reflect.Slice}
	if g.single {
		encoded = append(append([]byte{'['}, encoded...), ']')
	} else {
		t = t.Elem()
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &rows); err != nil {
		return g, err
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		g.columns = append(g.columns, name)
		if g.single && f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			if sub, err := gridOf(f.Type, rows[0][name]); err == nil && len(sub.rows) > 0 {
				g.parts = append(g.parts, subTable{name, sub})
			}
		}
	}
	for _, row := range rows {
		cells := make([]string, len(g.columns))
		for i, name := range g.columns {
			cells[i] = cellText(row[name])
		}
		g.rows = append(g.rows, cells)
	}
	return g, nil
}

// cellText is a JSON value as a person writes it: text without quotes, nothing for null, a list with commas.
func cellText(raw json.RawMessage) string {
	var s string
	var list []json.RawMessage
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &s) == nil:
		return s
	case json.Unmarshal(raw, &list) == nil:
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i] = cellText(item)
		}
		return strings.Join(texts, ",")
	}
	return string(raw)
}

// writeCSV puts an apostrophe before what a spreadsheet would run as a formula, as exports do.
func (g grid) writeCSV(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(g.columns); err != nil {
		return err
	}
	for _, row := range g.rows {
		for i, cell := range row {
			if leads.LooksLikeFormula([]byte(cell)) && !isNumber(cell) {
				row[i] = "'" + cell
			}
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func isNumber(s string) bool {
	var n json.Number
	return json.Unmarshal([]byte(s), &n) == nil
}

// textLines are the cells to show: a header and rows, or a single result's names and values.
func (g grid) textLines() [][]string {
	var out [][]string
	if !g.single {
		header := make([]string, len(g.columns))
		for i, c := range g.columns {
			header[i] = strings.ToUpper(c)
		}
		out = append(out, header)
	}
	for _, row := range g.rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(stripControls(cell), "\n", " ")
			if g.single && row[i] != "" && !slices.ContainsFunc(g.parts, func(p subTable) bool { return p.name == g.columns[i] }) {
				out = append(out, []string{g.columns[i], row[i]})
			}
		}
		if !g.single {
			out = append(out, row)
		}
	}
	return out
}

// writeTable draws on a terminal, aligns elsewhere, and sets the parts below.
func (g grid) writeTable(out, screen io.Writer) error {
	write := g.writePlain
	if isTerminal(screen) {
		write = func(out io.Writer) error { return g.writeDrawn(out, screen, screenWidth(screen)) }
	}
	err := write(out)
	for _, p := range g.parts {
		fmt.Fprintf(out, "\n%s:\n", p.name)
		err = errors.Join(err, p.writeTable(out, screen))
	}
	return err
}

func (g grid) writePlain(out io.Writer) error {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, line := range g.textLines() {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	err := w.Flush()
	for line := range strings.Lines(aligned.String()) {
		fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	}
	return err
}

// writeDrawn draws the table in the colours that screen has, at most width columns wide (0: as wide as it is).
func (g grid) writeDrawn(out, screen io.Writer, width int) error {
	lines := g.textLines()
	renderer := lipgloss.NewRenderer(screen)
	cell := renderer.NewStyle().Padding(0, 1)
	t := table.New().Border(lipgloss.RoundedBorder()).BorderStyle(renderer.NewStyle().Faint(true)).
		StyleFunc(func(row, col int) lipgloss.Style {
			if row == table.HeaderRow || g.single && col == 0 {
				return cell.Bold(true)
			}
			return cell
		})
	if !g.single {
		t.Headers(lines[0]...)
		lines = lines[1:]
	}
	t.Rows(lines...)
	drawn := t.Render()
	if width > 0 && lipgloss.Width(drawn) > width {
		drawn = t.Width(width).Render()
	}
	_, err := fmt.Fprintln(out, drawn)
	return err
}

func screenWidth(screen io.Writer) int {
	f, ok := screen.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// stripControls is s without anything that steers a terminal: what others named must not move the cursor. Line breaks stay
// in errors only because they are ours; a tab becomes a space.
func stripControls(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '\ufffd'
		}
		return r
	}, s)
}
