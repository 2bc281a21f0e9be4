package acragen

import (
	"fmt"
	"strings"

	"github.com/leadctl/leadctl/pkg/acra"
)

// uenCounters generate UENs without repetition.
type uenCounters struct {
	businesses int
	companies  map[int]int
	others     map[string]int
}

func newUENCounters() uenCounters {
	return uenCounters{companies: map[int]int{}, others: map[string]int{}}
}

func withCheckLetter(body string) string { return body + string(acra.CheckLetter(body)) }

func (c *uenCounters) nextBusiness() string {
	c.businesses++
	return withCheckLetter(fmt.Sprintf("%08d", (30_000_000+c.businesses)%100_000_000))
}

// nextCompany returns a UEN yyyynnnnnX and its year. When the numbers of year are used up, it takes an earlier year.
func (c *uenCounters) nextCompany(year int) (string, int) {
	for c.companies[year] == 99_999 {
		year--
	}
	c.companies[year]++
	return withCheckLetter(fmt.Sprintf("%04d%05d", year, c.companies[year])), year
}

func (c *uenCounters) nextOther(year int, letters string) (string, int) {
	for c.others[uenYear(year)+letters] == 9_999 {
		year--
	}
	c.others[uenYear(year)+letters]++
	return withCheckLetter(fmt.Sprintf("%s%s%04d", uenYear(year), letters, c.others[uenYear(year)+letters])), year
}

// auditFirmUEN returns the UEN of audit firm n.
func (c *uenCounters) auditFirmUEN(n int) string {
	return withCheckLetter(fmt.Sprintf("T%02dPF%04d", n%25, n))
}

// uenYear returns the letter and two digits for a year in a UEN, such as S79 or T05.
func uenYear(year int) string {
	return fmt.Sprintf("%c%02d", "ST"[year/100-19], year%100)
}

// Trap is a way in which a row can be dirty.
type Trap string

// The traps. Those that are Rejected give a row that must not be loaded. The other rows are corrected or valid.
const (
	BlankUEN      Trap = "blank uen"
	BadShape      Trap = "bad shape"
	MissingColumn Trap = "missing column"
	ExtraColumn   Trap = "extra column"
	NUL           Trap = "nul"
	BadUTF8       Trap = "bad utf8"
	BadDate       Trap = "bad date"
	BadSSIC       Trap = "bad ssic"
	Formula       Trap = "formula"
	BadCheck      Trap = "bad check letter"
	PaddedUEN     Trap = "padded uen"
	LowerUEN      Trap = "lower uen"
	SameUEN       Trap = "same uen"
	DayFirst      Trap = "day first"
	FloatSSIC     Trap = "float ssic"
	ShortSSIC     Trap = "short ssic"
	NoSSIC        Trap = "no ssic"
	FloatOfficers Trap = "float officers"
	ShortPostal   Trap = "short postal"
	UpperStatus   Trap = "upper status"
	Newline       Trap = "newline"
	Quotes        Trap = "quotes"
	NoBreakSpace  Trap = "no-break space"
	LongName      Trap = "long name"
	EmptyNotNA    Trap = "empty not na"
	UpperNA       Trap = "upper na"
)

// Rejected reports whether a row with this trap must not be loaded.
func (t Trap) Rejected() bool {
	switch t {
	case BlankUEN, BadShape, MissingColumn, ExtraColumn, NUL, BadUTF8, BadDate, BadSSIC, Formula:
		return true
	}
	return false
}

func allTraps() []Trap {
	return []Trap{
		BlankUEN, BadShape, MissingColumn, ExtraColumn, NUL, BadUTF8, BadDate, BadSSIC, Formula, BadCheck, PaddedUEN,
		LowerUEN, SameUEN, DayFirst, FloatSSIC, ShortSSIC, NoSSIC, FloatOfficers, ShortPostal, UpperStatus, Newline,
		Quotes, NoBreakSpace, LongName, EmptyNotNA, UpperNA,
	}
}

// encodeTrap encodes the row's line with one trap in it.
func (g *generator) encodeTrap(t Trap) {
	v := g.vals[:]
	switch t {
	case BlankUEN:
		v[colUEN] = ""
	case BadShape:
		v[colUEN] = "X" + v[colUEN]
	case MissingColumn:
		v = v[:52]
	case ExtraColumn:
		v = append(append([]string{}, v...), "surplus")
	case NUL:
		v[colName] = v[colName][:2] + "\x00" + v[colName][2:]
	case BadUTF8:
		v[colName] = v[colName] + "\xff"
	case BadDate:
		v[colRegistered] = "2019-02-30"
	case BadSSIC:
		v[colSSIC1] = "6201X"
	case Formula:
		v[colName] = "=HYPERLINK(1)"
	default:
		g.applyMendableTrap(t)
	}
	g.line = appendCSV(g.line[:0], v)
}

func (g *generator) applyMendableTrap(t Trap) {
	v := g.vals[:]
	switch t {
	case BadCheck:
		last := v[colUEN][len(v[colUEN])-1]
		v[colUEN] = v[colUEN][:len(v[colUEN])-1] + string("AB"[map[bool]int{true: 1}[last == 'A']])
	case PaddedUEN:
		v[colUEN] = " " + v[colUEN] + " "
	case LowerUEN:
		v[colUEN] = strings.ToLower(v[colUEN])
	case SameUEN:
		if g.priorUEN != "" {
			v[colUEN] = g.priorUEN
		}
	case DayFirst:
		v[colRegistered] = v[colRegistered][8:] + "/" + v[colRegistered][5:7] + "/" + v[colRegistered][:4]
	case FloatSSIC:
		v[colSSIC1] += ".0"
	case ShortSSIC:
		v[colSSIC1] = "1111"
	case NoSSIC:
		v[colSSIC1] = "na"
	case FloatOfficers:
		v[colOfficers] += ".0"
	case ShortPostal:
		v[colPostal] = "18982"
	case UpperStatus:
		v[colStatus] = strings.ToUpper(v[colStatus])
	case Newline:
		v[colStreet] = "UPPER\r\nROAD"
	case Quotes:
		v[colName] = `THE "BEST" CO, LTD`
	case NoBreakSpace:
		v[colName] = strings.Replace(v[colName], " ", "\u00a0", 1)
	case LongName:
		v[colName] = strings.Repeat("LONG NAME ", 30)
	case EmptyNotNA, UpperNA:
		for i := range v {
			if v[i] == "na" {
				v[i] = map[Trap]string{UpperNA: "NA"}[t]
			}
		}
	}
}
