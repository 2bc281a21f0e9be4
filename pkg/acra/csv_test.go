package acra

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// readAll reads text whose records have width fields.
func readAll(t require.TestingT, r io.Reader, width int) (list [][]string, broken []string, ends []Position) {
	c := newCSVReader("p", r)
	c.width = width
	s := newSplitter()
	for {
		rec, err := c.nextRecord()
		if errors.Is(err, errEnd) {
			return list, broken, ends
		}
		require.NoError(t, err)
		ends = append(ends, rec.end)
		s.splitRecord(rec.raw)
		if rec.reason == "" && len(s.fields) != width {
			rec.reason = fmt.Sprintf("%d columns instead of %d", len(s.fields), width)
		}
		if rec.reason != "" {
			broken = append(broken, rec.reason)
			continue
		}
		fields := make([]string, len(s.fields))
		for i, f := range s.fields {
			fields[i] = string(f)
		}
		list = append(list, fields)
	}
}

func TestCSVRecords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord)
	for name, c := range map[string]struct {
		text   string
		want   [][]string
		broken []string
	}{
		"plain":                  {"a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}, nil},
		"no line end at the end": {"a,b\nc,d", [][]string{{"a", "b"}, {"c", "d"}}, nil},
		"CR LF and blank lines":  {"a,b\r\n\r\n\nc,d\r\n", [][]string{{"a", "b"}, {"c", "d"}}, nil},
		"quotes": {"\"a,\"\"1\"\"\",b\n\"\",\"x\"\r\n", [][]string{{`a,"1"`, "b"}, {"", "x"}},
			nil},
		"line break in a field":      {"\"a\r\nb\",c\nd,e\n", [][]string{{"a\r\nb", "c"}, {"d", "e"}}, nil},
		"a quote in the middle":      {"6\" PIPE,b\n", [][]string{{`6" PIPE`, "b"}}, nil},
		"text after a closing quote": {"\"a\"b,c\n", [][]string{{"ab", "c"}}, nil},
		"empty fields":               {",\n,", [][]string{{"", ""}, {"", ""}}, nil},
		"too few and too many": {"a\na,b,c\nd,e\n", [][]string{{"d", "e"}},
			[]string{"1 columns instead of 2", "3 columns instead of 2"}},
		"a stray quote costs one line": {"\"a,b\nc,d\n\"e\",f\n", [][]string{{"c", "d"}, {"e", "f"}},
			[]string{"unclosed quote"}},
		"a quote open to the end": {"a,b\n\"c,d\ne,f", [][]string{{"a", "b"}, {"e", "f"}},
			[]string{"unclosed quote"}},
		"a line too long": {"a," + long + "\nc,d\n", [][]string{{"c", "d"}},
			[]string{"record longer than 65536 bytes"}},
		"a quoted field too long": {"\"a\n" + long + long + "\",b\nc,d\n", [][]string{{"c", "d"}},
			[]string{"unclosed quote", "record longer than 65536 bytes"}},
		"nothing": {"", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, broken, ends := readAll(t, strings.NewReader(c.text), 2)
			require.Equal(t, c.want, want)
			require.Equal(t, c.broken, broken)
			if len(ends) > 0 && !strings.Contains(name, "too long") {
				require.Equal(t, int64(strings.Count(strings.TrimSuffix(c.text, "\n"), "\n")+1), ends[len(ends)-1].Line)
			}
			again, _, slow := readAll(t, iotest.OneByteReader(strings.NewReader(c.text)), 2)
			require.Equal(t, want, again)
			require.Equal(t, ends, slow, "the ends of records do not depend on the size of reads")
		})
	}
}

// This reader reads what the standard library writes exactly as the standard library reads it.
func TestCSVReadsWhatTheStandardLibraryWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringOf(rapid.SampledFrom([]rune("ab,\"\n é\\\t;'")))
		table := rapid.SliceOfN(rapid.SliceOfN(field, 3, 3), 0, 30).Draw(t, "table")
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		require.NoError(t, w.WriteAll(table))
		r := csv.NewReader(bytes.NewReader(text.Bytes()))
		want, err := r.ReadAll()
		require.NoError(t, err)
		if w.UseCRLF {
			for _, row := range want { // the standard library turns CR LF inside fields into LF, this reader does not
				for i := range row {
					row[i] = strings.ReplaceAll(row[i], "\n", "\r\n")
				}
			}
		}
		have, broken, _ := readAll(t, iotest.HalfReader(bytes.NewReader(text.Bytes())), 3)
		require.Empty(t, broken)
		require.Equal(t, want, have)
	})
}

// FuzzCSV: reading any bytes ends, and every byte belongs to a record or to a blank line.
func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n\"c\",\"d\ne\"\n"))
	f.Add([]byte("\"\n\"\"\r\n,"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _, ends := readAll(t, bytes.NewReader(text), 2)
		last := int64(0)
		for _, e := range ends {
			require.Greater(t, e.Line, last)
			last = e.Line
		}
		require.LessOrEqual(t, last, int64(bytes.Count(text, []byte("\n"))+1))
	})
}
