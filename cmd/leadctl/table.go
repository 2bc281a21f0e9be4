package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"golang.org/x/term"
)

// grid is a result as cells of text.
type grid struct {
	columns []string
	rows    [][]string
	single  bool // one struct: shown as name and value, line by line
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
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			g.columns = append(g.columns, name)
		}
	}
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &rows); err != nil {
		return g, err
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

// writeCSV puts a quote before what a spreadsheet would run as a formula.
func (g grid) writeCSV(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(g.columns); err != nil {
		return err
	}
	for _, row := range g.rows {
		for i, cell := range row {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") && !isNumber(cell) {
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

// lines are the cells to show: a header and rows, or a single result's names and values.
func (g grid) lines() [][]string {
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
			row[i] = strings.ReplaceAll(printable(cell), "\n", " ")
			if g.single {
				out = append(out, []string{g.columns[i], row[i]})
			}
		}
		if !g.single {
			out = append(out, row)
		}
	}
	return out
}

func (g grid) writePlain(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range g.lines() {
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(line, "\t"), "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// writeDrawn draws the table in the colours that screen has, at most width columns wide (0: as wide as it is).
func (g grid) writeDrawn(out, screen io.Writer, width int) error {
	lines := g.lines()
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

// printable is s without anything that steers a terminal: what others named must not move the cursor. Line breaks stay
// in errors only because they are ours; a tab becomes a space.
func printable(s string) string {
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
