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
	"regexp"
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
	single  bool // one struct, shown as one line per field: name and value
	parts   []subTable
}

// subTable is a list inside a single result. The table format shows it as a table below the fields; CSV keeps it in
// one cell.
type subTable struct {
	name string
	grid
}

// gridOf makes a grid of encoded, the JSON of a struct or slice of type t. The json tags of t name the columns.
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

// cellText returns a JSON value as text: a string without quotes, "" for null, a list with commas, others as JSON.
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

// writeCSV writes the grid as CSV. Like an export, it puts an apostrophe before text that a spreadsheet would run as a
// formula.
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

// textLines returns the cells to print: header and rows, or name and value of each non-empty field of a single result.
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
			row[i] = lineBreak.ReplaceAllString(stripControls(cell), " ")
			if g.single && row[i] != "" && !g.isPart(g.columns[i]) {
				out = append(out, []string{g.columns[i], row[i]})
			}
		}
		if !g.single {
			out = append(out, row)
		}
	}
	return out
}

// lineBreak is a line break with the space around it: the lines of a joined error are indented.
var lineBreak = regexp.MustCompile(` *\n *`)

// isPart reports whether the column is shown as a table of its own.
func (g grid) isPart(column string) bool {
	return slices.ContainsFunc(g.parts, func(p subTable) bool { return p.name == column })
}

// writeTable writes a table with borders if screen is a terminal, else aligned text. On a terminal that is narrower
// than the table, it writes a record for each row, unless wide is set. Sub-tables follow below.
func (g grid) writeTable(out, screen io.Writer, wide bool) error {
	write := g.writePlain
	if isTerminal(screen) && os.Getenv("TERM") != "dumb" {
		width := screenWidth(screen)
		if wide {
			width = 0
		}
		write = func(out io.Writer) error { return g.writeDrawn(out, screen, width) }
	}
	err := write(out)
	for _, p := range g.parts {
		fmt.Fprintf(out, "\n%s:\n", p.name)
		err = errors.Join(err, p.writeTable(out, screen, wide))
	}
	return err
}

// writePlain writes aligned text without borders.
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

// writeDrawn writes a table with borders, in the colours that screen supports. If it is wider than width columns, it
// writes records instead. 0 means no limit.
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
		return g.writeRecords(out, renderer, width)
	}
	_, err := fmt.Fprintln(out, drawn)
	return err
}

// writeRecords writes each row as lines of name and value, without the empty values, and an empty line between two
// rows. Values are wrapped between words.
func (g grid) writeRecords(out io.Writer, renderer *lipgloss.Renderer, width int) error {
	label := renderer.NewStyle().Bold(true)
	longest := 0
	for _, c := range g.columns {
		longest = max(longest, lipgloss.Width(c))
	}
	var text strings.Builder
	for i, row := range g.rows {
		if i > 0 {
			text.WriteString("\n")
		}
		for at, cell := range row {
			if cell == "" || g.single && g.isPart(g.columns[at]) {
				continue
			}
			name := g.columns[at]
			if !g.single {
				name = strings.ToUpper(name)
			}
			gap := strings.Repeat(" ", longest-lipgloss.Width(name)+2)
			text.WriteString(label.Render(name) + gap)
			text.WriteString(strings.Join(wrapWords(cell, width-longest-2), "\n"+strings.Repeat(" ", longest+2)) + "\n")
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// wrapWords breaks text into lines of at most width columns. A longer word has a line of its own.
func wrapWords(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case lipgloss.Width(line)+1+lipgloss.Width(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// screenWidth returns the width of a terminal in columns, or 0 when it is unknown.
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

// stripControls replaces the control characters in s, so that a tenant's name, for example, cannot move the cursor or
// reverse text. Line breaks stay, because joined errors contain them. A tab becomes a space.
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
