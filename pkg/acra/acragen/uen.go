package acragen

import (
	"fmt"
	"strings"

	"github.com/leadctl/leadctl/pkg/acra"
)

// counters hand out UENs, none twice.
type counters struct {
	businesses int
	companies  map[int]int
	others     map[string]int
}

func newCounters() counters {
	return counters{companies: map[int]int{}, others: map[string]int{}}
}

func checked(body string) string { return body + string(acra.CheckLetter(body)) }

func (c *counters) business() string {
	c.businesses++
	return checked(fmt.Sprintf("%08d", (30_000_000+c.businesses)%100_000_000))
}

// company hands out yyyynnnnnX, of another year when that one's numbers are used up.
func (c *counters) company(year int) (string, int) {
	for c.companies[year] == 99_999 {
		year--
	}
	c.companies[year]++
	return checked(fmt.Sprintf("%04d%05d", year, c.companies[year])), year
}

func (c *counters) other(year int, letters string) (string, int) {
	for c.others[century(year)+letters] == 9_999 {
		year--
	}
	c.others[century(year)+letters]++
	return checked(fmt.Sprintf("%s%s%04d", century(year), letters, c.others[century(year)+letters])), year
}

// firm is the UEN of one of a number of audit firms.
func (c *counters) firm(n int) string { return checked(fmt.Sprintf("T%02dPF%04d", n%25, n)) }

// century is the letter and the two digits that a year has in a UEN: S79, T05.
func century(year int) string {
	return fmt.Sprintf("%c%02d", "ST"[year/100-19], year%100)
}

// Trap is one way in which a row can be dirty.
type Trap string

// The traps. Those of Refused make a row that must not be loaded; the others one that is mended, or is right as it is.
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

// Refused reports whether a row with this trap must not be loaded.
func (t Trap) Refused() bool {
	switch t {
	case BlankUEN, BadShape, MissingColumn, ExtraColumn, NUL, BadUTF8, BadDate, BadSSIC, Formula:
		return true
	}
	return false
}

func allTraps() []Trap {
	return []Trap{BlankUEN, BadShape, MissingColumn, ExtraColumn, NUL, BadUTF8, BadDate, BadSSIC, Formula, BadCheck, PaddedUEN,
		LowerUEN, SameUEN, DayFirst, FloatSSIC, ShortSSIC, NoSSIC, FloatOfficers, ShortPostal, UpperStatus, Newline, Quotes,
		NoBreakSpace, LongName, EmptyNotNA, UpperNA}
}

// dirty makes the line of the row with one trap in it.
func (g *generator) dirty(t Trap) {
	v := g.vals[:]
	switch t {
	case BlankUEN:
		v[uen] = ""
	case BadShape:
		v[uen] = "X" + v[uen]
	case MissingColumn:
		v = v[:52]
	case ExtraColumn:
		v = append(append([]string{}, v...), "surplus")
	case NUL:
		v[name] = v[name][:2] + "\x00" + v[name][2:]
	case BadUTF8:
		v[name] = v[name] + "\xff"
	case BadDate:
		v[registered] = "2019-02-30"
	case BadSSIC:
		v[ssic1] = "6201X"
	case Formula:
		v[name] = "=HYPERLINK(1)"
	default:
		g.mendable(t)
	}
	g.line = appendCSV(g.line[:0], v)
}

func (g *generator) mendable(t Trap) {
	v := g.vals[:]
	switch t {
	case BadCheck:
		last := v[uen][len(v[uen])-1]
		v[uen] = v[uen][:len(v[uen])-1] + string("AB"[map[bool]int{true: 1}[last == 'A']])
	case PaddedUEN:
		v[uen] = " " + v[uen] + " "
	case LowerUEN:
		v[uen] = strings.ToLower(v[uen])
	case SameUEN:
		if g.prior != "" {
			v[uen] = g.prior
		}
	case DayFirst:
		v[registered] = v[registered][8:] + "/" + v[registered][5:7] + "/" + v[registered][:4]
	case FloatSSIC:
		v[ssic1] += ".0"
	case ShortSSIC:
		v[ssic1] = "1111"
	case NoSSIC:
		v[ssic1] = "na"
	case FloatOfficers:
		v[officers] += ".0"
	case ShortPostal:
		v[postal] = "18982"
	case UpperStatus:
		v[status] = strings.ToUpper(v[status])
	case Newline:
		v[street] = "UPPER\r\nROAD"
	case Quotes:
		v[name] = `THE "BEST" CO, LTD`
	case NoBreakSpace:
		v[name] = strings.Replace(v[name], " ", "\u00a0", 1)
	case LongName:
		v[name] = strings.Repeat("LONG NAME ", 30)
	case EmptyNotNA, UpperNA:
		for i := range v {
			if v[i] == "na" {
				v[i] = map[Trap]string{UpperNA: "NA"}[t]
			}
		}
	}
}
