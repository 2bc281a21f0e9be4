package acragen

import (
	"fmt"
	"strconv"
)

// Places of columns that are set by name.
const (
	uen          = 0
	agency       = 1
	name         = 2
	kind         = 3
	constitution = 4
	companyType  = 5
	status       = 7
	registered   = 8
	issued       = 9
	addressType  = 10
	block        = 11
	street       = 12
	level        = 13
	unit         = 14
	building     = 15
	postal       = 16
	foreign1     = 17
	foreign2     = 18
	accounts     = 19
	annual       = 20
	ssic1        = 21
	ssic1Text    = 22
	activity1    = 23
	ssic2        = 24
	ssic2Text    = 25
	officers     = 27
	former       = 28
	audit        = 43
)

const thisYear = 2026

// fill makes every value of a row.
func (g *generator) fill() {
	for i := range g.vals {
		g.vals[i] = "na"
	}
	g.vals[agency] = Agency
	year := 0
	switch x := g.row.Float64(); {
	case x < 0.475:
		year = g.company()
	case x < 0.972:
		year = g.business()
	default:
		year = g.partnership(x)
	}
	g.dates(year)
	g.address()
	g.activity()
	g.history()
}

func (g *generator) company() int {
	year := g.year(1965)
	g.vals[uen], year = g.ids.company(year)
	g.vals[kind] = "Local Company"
	g.vals[companyType] = pick(g.row, g.words.companyTypes)
	g.vals[status] = pick(g.row, g.words.companyStatuses)
	g.vals[name] = g.name() + pick(g.row, g.words.suffixes)
	g.vals[officers] = strconv.Itoa(1 + g.row.IntN(1+g.row.IntN(9)))
	return year
}

func (g *generator) business() int {
	g.vals[uen] = g.ids.business()
	g.vals[kind] = "Sole Proprietorship/ Partnership"
	g.vals[constitution] = "Sole-Proprietor"
	g.vals[officers] = "1"
	if g.row.Float64() < 0.2 {
		g.vals[constitution] = "Partnership"
		g.vals[officers] = strconv.Itoa(2 + g.row.IntN(3))
	}
	g.vals[status] = pick(g.row, g.words.businessStatuses)
	g.vals[name] = g.name()
	return g.year(1974)
}

func (g *generator) partnership(x float64) int {
	g.vals[kind], g.vals[name] = "Limited Liability Partnership", g.name()+" LLP"
	letters, year := "LL", g.year(2005)
	switch {
	case x > 0.999:
		g.vals[kind], g.vals[name] = "Limited Partnership", g.name()+" LP"
		letters, year = "LP", g.year(2009)
	case x > 0.995:
		g.vals[kind], g.vals[name] = "Foreign Company Branch", g.name()+" LIMITED"
		letters, year = "FC", g.year(1970)
	}
	g.vals[uen], year = g.ids.other(year, letters)
	g.vals[status] = pick(g.row, g.words.partnershipStatuses)
	if letters == "FC" {
		g.vals[status] = pick(g.row, g.words.branch)
	}
	g.vals[officers] = strconv.Itoa(2 + g.row.IntN(4))
	return year
}

// year is a year of registration from first on, later ones more often.
func (g *generator) year(first int) int {
	u := g.row.Float64()
	return thisYear - int(u*u*float64(thisYear-first+1))
}

func (g *generator) dates(year int) {
	day := g.day(year)
	g.vals[registered], g.vals[issued] = day, day
	if year < 2009 && g.row.IntN(33) == 0 {
		g.vals[issued] = "2009-01-01"
	}
	if g.vals[kind] != "Local Company" && g.vals[kind] != "Foreign Company Branch" {
		return
	}
	if live(g.vals[status]) || g.row.IntN(2) == 0 {
		g.vals[accounts] = strconv.Itoa(thisYear+g.row.IntN(2)) + "-07-31"
		g.vals[annual] = g.day(thisYear - g.row.IntN(2))
	}
}

func (g *generator) day(year int) string {
	months := 12
	if year >= thisYear {
		months = 8
	}
	return string(two(two(append(strconv.AppendInt(nil, int64(year), 10), '-'), 1+g.row.IntN(months), '-'), 1+g.row.IntN(28), 0))
}

// two appends n as two digits, and then if that is not 0.
func two(b []byte, n int, then byte) []byte {
	b = append(b, byte('0'+n/10), byte('0'+n%10))
	if then != 0 {
		b = append(b, then)
	}
	return b
}

func (g *generator) address() {
	if g.row.IntN(1000) == 0 {
		g.vals[addressType] = "FOREIGN"
		g.vals[foreign1] = fmt.Sprintf("%d JALAN %s, LEVEL %d", 1+g.row.IntN(300), g.word(), 1+g.row.IntN(30))
		g.vals[foreign2] = "JOHOR BAHRU, MALAYSIA"
		return
	}
	g.vals[addressType] = "LOCAL"
	g.vals[block] = strconv.Itoa(1 + g.row.IntN(1+g.row.IntN(990)))
	g.vals[street] = pick(g.row, g.words.streets)
	if g.row.IntN(4) > 0 {
		g.vals[level] = string(two(nil, 1+g.row.IntN(1+g.row.IntN(40)), 0))
		g.vals[unit] = string(two(nil, g.row.IntN(99), 0))
	}
	if g.row.IntN(5) < 2 {
		g.vals[building] = g.word() + pick(g.row, g.words.buildings)
	}
	switch x := g.row.IntN(1000); {
	case x < 2:
	case x < 24:
		g.vals[postal] = fmt.Sprintf("%04d", g.row.IntN(2900))
	default:
		g.vals[postal] = fmt.Sprintf("%06d", 10_000+g.row.IntN(819_999))
	}
}

func (g *generator) activity() {
	g.vals[ssic1] = pick(g.row, g.words.industries)
	if g.row.IntN(2) == 0 {
		g.vals[ssic1Text] = pick(g.row, g.words.activities)
	}
	if g.row.IntN(40) == 0 {
		g.vals[activity1] = pick(g.row, g.words.activities)
	}
	if g.row.IntN(100) < 53 {
		g.vals[ssic2] = pick(g.row, g.words.industries)
		g.vals[ssic2Text] = g.vals[ssic1Text]
	}
}

func (g *generator) history() {
	for i := 0; i < 15 && g.row.IntN(8) == 0; i++ {
		g.vals[former+i] = g.name()
	}
	if g.vals[kind] == "Local Company" && live(g.vals[status]) && g.row.IntN(11) == 0 {
		g.vals[audit] = g.ids.firm(g.row.IntN(600))
		g.vals[audit+1] = g.word() + " & " + g.word() + " LLP"
	}
}

// name is one or two invented words and a trade.
func (g *generator) name() string {
	n := g.word()
	if g.row.IntN(3) == 0 {
		n += " " + g.word()
	}
	n += " " + pick(g.row, g.words.trades)
	switch g.row.IntN(60) {
	case 0:
		n += ", " + g.word() + " BRANCH"
	case 1:
		n = `"` + n + `"`
	case 2:
		n = "É" + n
	}
	return n
}

func (g *generator) word() string {
	word := make([]byte, 0, 12)
	for range 2 + g.row.IntN(2) {
		word = append(word, pick(g.row, g.words.onsets)...)
		word = append(word, pick(g.row, g.words.rhymes)...)
	}
	return string(word)
}

// change alters a row about as a month does.
func (g *generator) change() {
	switch x := g.dice.IntN(100); {
	case x < 55:
		g.vals[annual], g.vals[accounts] = "2026-09-30", "2027-07-31"
	case x < 80:
		g.vals[block], g.vals[postal] = strconv.Itoa(1000+g.dice.IntN(900)), fmt.Sprintf("%06d", 10_000+g.dice.IntN(819_999))
	case x < 92 && live(g.vals[status]):
		g.vals[status] = map[bool]string{true: "Gazetted To Be Struck Off", false: "Ceased Registration"}[g.vals[status] != "Live"]
	default:
		g.vals[former+14], g.vals[officers] = "EARLIER "+g.vals[name], strconv.Itoa(10+g.dice.IntN(20))
	}
}
