package leads

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// standard encodes the columns of an export that names none.
func standard() rowEncoder {
	columns, _ := exportColumns()
	return columns
}

// row is a row of an export with value in its column name.
func row(value []byte) [][]byte {
	values := make([][]byte, len(standard()))
	values[0], values[1] = []byte("7"), value
	return values
}

// readRFC4180 is the standard read literally. Go's own reader turns CRLF inside a field into LF.
func readRFC4180(t require.TestingT, s string) []string {
	var fields []string
	for {
		var field strings.Builder
		if strings.HasPrefix(s, `"`) {
			for s = s[1:]; ; {
				text, rest, ok := strings.Cut(s, `"`)
				require.True(t, ok, "closing quote")
				field.WriteString(text)
				if s = rest; !strings.HasPrefix(s, `"`) {
					break
				}
				field.WriteByte('"')
				s = s[1:]
			}
		} else {
			end := strings.IndexAny(s, ",\r")
			field.WriteString(s[:end])
			s = s[end:]
		}
		fields = append(fields, field.String())
		if s == "\r\n" {
			return fields
		}
		require.True(t, strings.HasPrefix(s, ","))
		s = s[1:]
	}
}

// plain takes away what was put before a text that could be a formula.
func plain(cell string) string { return strings.TrimPrefix(cell, "'") }

// texts draws what companies and attackers are called.
func texts() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom([]string{"=", "+", "-", "@", "'", `"`, ",", ";", "\r\n", "\n", "\t", " ",
		"\ufeff", "＝", "HYPERLINK", "DBS", "|", "%", "É", "股份"}), rapid.String())
	return rapid.Map(rapid.SliceOfN(piece, 0, 6), func(
		parts []string) string {
		return strings.ToValidUTF8(strings.Join(parts, ""), "?")
	})
}

func TestCSVRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "text")
		line := string(standard().appendCSVRow(nil, row([]byte(text)), true))
		require.Equal(t, text, plain(readRFC4180(t, line)[1]))

		r := csv.NewReader(strings.NewReader(line))
		fields, err := r.Read()
		require.NoError(t, err)
		require.Len(t, fields, len(standard()))
		require.Equal(t, strings.ReplaceAll(text, "\r\n", "\n"), plain(fields[1]))
		require.False(t, LooksLikeFormula([]byte(strings.TrimPrefix(fields[1], "'"))) && fields[1] == text,
			"%q could run", fields[1])
	})
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "text")
		var lead Lead
		require.NoError(t, json.Unmarshal(standard().appendObject(nil, row([]byte(text))), &lead))
		require.Equal(t, text, *lead.Name)
		require.Equal(t, int32(7), lead.CompanyID)
		require.Nil(t, lead.Score)
	})
}

func TestCases(t *testing.T) {
	t.Parallel()
	t.Run("C-034", formulas)
}

// formulas: what spreadsheets run, whatever stands before it. Numbers stay numbers.
func formulas(t *testing.T) {
	t.Parallel()
	for _, lead := range []string{"", " ", "  ", `"`, "'", "\ufeff", "\u00a0", "　", "“", ` "' `} {
		for _, trigger := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "\x00", "|", "%", "＝", "＋", "－", "＠"} {
			text := lead + trigger + "1+1"
			cell := readRFC4180(t, string(standard().appendCSVRow(nil, row([]byte(text)), true)))[1]
			require.Equal(t, "'"+text, cell)
		}
	}
	for _, harmless := range []string{"DBS BANK LTD.", "3M SINGAPORE", "A=B", "CO-OP", " SPACED", "(THE) SHOP", "É",
		"股份"} {
		require.Equal(t, harmless, readRFC4180(t, string(standard().appendCSVRow(nil, row([]byte(harmless)), true)))[1])
	}
	values := row(nil)
	values[5] = []byte("-5")
	require.Equal(t, "7,,,,,-5,,,,,,,,,\r\n", string(standard().appendCSVRow(nil, values, true)))
}

func TestCSVTellsNullFromEmpty(t *testing.T) {
	t.Parallel()
	require.Equal(t, "7,,,,,,,,,,,,,,\r\n", string(standard().appendCSVRow(nil, row(nil), true)))
	require.Equal(t, "7,\"\",,,,,,,,,,,,,\r\n", string(standard().appendCSVRow(nil, row([]byte{}), true)))
}
