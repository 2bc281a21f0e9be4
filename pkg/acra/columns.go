package acra

import (
	"slices"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/fault"
)

// Indexes, in the order of Columns, of the columns that have rules of their own.
const (
	colUEN        = 0
	colName       = 2
	colStatus     = 7
	colRegistered = 8
	colIssued     = 9
	colPostal     = 16
	colAccounts   = 19
	colReturn     = 20
	colSSIC       = 21
	colSSIC2      = 24
	colOfficers   = 27
	numColumns    = 53
)

// Columns returns the register's columns in the order of publication. The table's columns have the same names.
func Columns() []string {
	names := strings.Fields(`
		uen issuance_agency_id entity_name entity_type_description business_constitution_description
		company_type_description paf_constitution_description entity_status_description registration_incorporation_date
		uen_issue_date address_type block street_name level_no unit_no building_name postal_code other_address_line1
		other_address_line2 account_due_date annual_return_date primary_ssic_code primary_ssic_description
		primary_user_described_activity secondary_ssic_code secondary_ssic_description secondary_user_described_activity
		no_of_officers`)
	for i := 1; i <= 15; i++ {
		names = append(names, "former_entity_name"+strconv.Itoa(i))
	}
	for i := 1; i <= 5; i++ {
		n := strconv.Itoa(i)
		names = append(names, "uen_of_audit_firm"+n, "name_of_audit_firm"+n)
	}
	return names
}

// layout maps columns to fields of a record. It follows the header, not the usual order of the columns.
type layout struct {
	fields  []int    // by column: index in the record, -1 when the column is missing
	present []int    // columns that the source has, in the table's order
	unknown []string // columns of the source that the table does not have
	missing []string // columns of the table that the source does not have: they keep their values
	width   int      // number of fields of a complete record
	// separator of the records' fields
	separator byte
}

// newLayout reads a header. answers says which column of the register a field is, see ParseColumns. Faults:
// Unprocessable when this is not the register, or when the column of the UEN, the name or the status is missing;
// Invalid when only the operator can say which field is which column.
func newLayout(source string, header []string, answers map[string]string) (*layout, error) {
	l := &layout{fields: make([]int, numColumns), width: len(header), separator: ','}
	names := fieldNames(header, answers)
	if slices.Contains(names, "uen_status_desc") {
		return nil, fault.New(fault.Unprocessable,
			"%s: this is the dataset \"Entities Registered with ACRA\" (8 columns), which cannot be loaded", source).
			WithHint("use \"ACRA Information on Corporate Entities\" (data.gov.sg, collection 2): " +
				"one dataset per first letter")
	}
	known := Columns()
	for c, name := range known {
		l.fields[c] = slices.Index(names, name)
		if l.fields[c] < 0 {
			l.missing = append(l.missing, name)
			continue
		}
		l.present = append(l.present, c)
	}
	for _, n := range names {
		if n != "_id" && n != "" && !slices.Contains(known, n) {
			l.unknown = append(l.unknown, clipText(n, 60))
		}
	}
	for _, c := range []int{colUEN, colName, colStatus} {
		if l.fields[c] < 0 {
			return nil, fault.New(fault.Unprocessable, "%s: column %s missing from the header %q",
				source, known[c], clipText(strings.Join(header, ","), 80)).
				WithHint("if it has another name there, add --column NAME=%s", known[c])
		}
	}
	return l, l.question(source)
}

// fieldNames returns the columns' names as the header has them, with the operator's answers. A second field of one name
// gets the suffix #2. An ignored field has the name "".
func fieldNames(header []string, answers map[string]string) []string {
	names, times := make([]string, len(header)), map[string]int{}
	for i, h := range header {
		n := columnName(h)
		if times[n]++; times[n] > 1 && n != "" {
			n += "#" + strconv.Itoa(times[n])
		}
		switch answer, ok := answers[n]; {
		case ok && answer == ignoreColumn:
		case ok:
			names[i] = answer
		default:
			names[i] = n
		}
	}
	return names
}

// question returns an error when the header has a column twice, or when an unknown column may be a missing one.
func (l *layout) question(source string) error {
	for _, n := range l.unknown {
		if base, _, twice := strings.Cut(n, "#"); twice && slices.Contains(Columns(), base) {
			return fault.New(fault.Invalid, "%s: column %s occurs twice in the header", source, base).
				WithHint("to ignore the second one, add --column '%s=-'; to ignore the first one, add "+
					"--column '%s=-' --column '%s=%s'", n, base, n, base)
		}
	}
	if len(l.unknown) == 0 || len(l.missing) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s: unknown column %s, and no column %s", source,
		clipText(strings.Join(l.unknown, ", "), 200), clipText(strings.Join(l.missing, ", "), 200)).
		WithHint("if a column was renamed, add --column %s=%s; to ignore an unknown column, add --column %s=-",
			l.unknown[0], l.missing[0], l.unknown[0])
}

// ignoreColumn is the answer that a field of the source is no column of the register.
const ignoreColumn = "-"

// ParseColumns parses answers of the form NAME=COLUMN: the source's column NAME is the register's COLUMN, or none for
// "-". Fault: Invalid.
func ParseColumns(answers []string) (map[string]string, error) {
	parsed := map[string]string{}
	for _, a := range answers {
		name, column, ok := strings.Cut(a, "=")
		if name = columnName(name); !ok || name == "" || column != ignoreColumn && !slices.Contains(Columns(), column) {
			return nil, fault.New(fault.Invalid, "--column %q: must be NAME=COLUMN with a column of the register", a).
				WithHint("NAME=- ignores a column; docs/acra.md names the columns' rules")
		}
		parsed[name] = column
	}
	return parsed, nil
}

// columnList returns the present columns as an SQL list, each with prefix.
func (l *layout) columnList(prefix string) string {
	known := Columns()
	names := make([]string, len(l.present))
	for i, c := range l.present {
		names[i] = prefix + known[c]
	}
	return strings.Join(names, ", ")
}

// clipText cuts s to at most n bytes, at the start of a rune, and marks the cut with an ellipsis.
func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
