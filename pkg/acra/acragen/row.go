package acragen

import (
	"fmt"
	"strconv"
)

// Indexes of columns in the register.
const (
	colUEN          = 0
	colAgency       = 1
	colName         = 2
	colType         = 3
	colConstitution = 4
	colCompanyType  = 5
	colStatus       = 7
	colRegistered   = 8
	colIssued       = 9
	colAddressType  = 10
	colBlock        = 11
	colStreet       = 12
	colLevel        = 13
	colUnit         = 14
	colBuilding     = 15
	colPostal       = 16
	colForeign1     = 17
	colForeign2     = 18
	colAccountsDue  = 19
	colAnnualReturn = 20
	colSSIC1        = 21
	colSSIC1Text    = 22
	colActivity1    = 23
	colSSIC2        = 24
	colSSIC2Text    = 25
	colOfficers     = 27
	colFormerNames  = 28
	colAuditFirm    = 43
)

const thisYear = 2026

// fillRow sets every value of the row.
func (g *generator) fillRow() {
	for i := range g.vals {
		g.vals[i] = "na"
	}
	g.vals[colAgency] = Agency
	year := 0
	switch x := g.row.Float64(); {
	case x < 0.475:
		year = g.fillCompany()
	case x < 0.972:
		year = g.fillBusiness()
	default:
		year = g.fillPartnership(x)
	}
	g.fillDates(year)
	g.fillAddress()
	g.fillActivities()
	g.fillHistory()
}

func (g *generator) fillCompany() int {
	year := g.pickYear(1965)
	g.vals[colUEN], year = g.ids.nextCompany(year)
	g.vals[colType] = "Local Company"
	g.vals[colCompanyType] = pickOne(g.row, g.words.companyTypes)
	g.vals[colStatus] = pickOne(g.row, g.words.companyStatuses)
	g.vals[colName] = g.inventName() + pickOne(g.row, g.words.suffixes)
	g.vals[colOfficers] = strconv.Itoa(1 + g.row.IntN(1+g.row.IntN(9)))
	return year
}

func (g *generator) fillBusiness() int {
	g.vals[colUEN] = g.ids.nextBusiness()
	g.vals[colType] = "Sole Proprietorship/ Partnership"
	g.vals[colConstitution] = "Sole-Proprietor"
	g.vals[colOfficers] = "1"
	if g.row.Float64() < 0.2 {
		g.vals[colConstitution] = "Partnership"
		g.vals[colOfficers] = strconv.Itoa(2 + g.row.IntN(3))
	}
	g.vals[colStatus] = pickOne(g.row, g.words.businessStatuses)
	g.vals[colName] = g.inventName()
	return g.pickYear(1974)
}

func (g *generator) fillPartnership(x float64) int {
	g.vals[colType], g.vals[colName] = "Limited Liability Partnership", g.inventName()+" LLP"
	letters, year := "LL", g.pickYear(2005)
	switch {
	case x > 0.999:
		g.vals[colType], g.vals[colName] = "Limited Partnership", g.inventName()+" LP"
		letters, year = "LP", g.pickYear(2009)
	case x > 0.995:
		g.vals[colType], g.vals[colName] = "Foreign Company Branch", g.inventName()+" LIMITED"
		letters, year = "FC", g.pickYear(1970)
	}
	g.vals[colUEN], year = g.ids.nextOther(year, letters)
	g.vals[colStatus] = pickOne(g.row, g.words.partnershipStatuses)
	if letters == "FC" {
		g.vals[colStatus] = pickOne(g.row, g.words.branch)
	}
	g.vals[colOfficers] = strconv.Itoa(2 + g.row.IntN(4))
	return year
}

// pickYear returns a year of registration from first on; later years are more frequent.
func (g *generator) pickYear(first int) int {
	u := g.row.Float64()
	return thisYear - int(u*u*float64(thisYear-first+1))
}

func (g *generator) fillDates(year int) {
	day := g.pickDay(year)
	g.vals[colRegistered], g.vals[colIssued] = day, day
	if year < 2009 && g.row.IntN(33) == 0 {
		g.vals[colIssued] = "2009-01-01"
	}
	if g.vals[colType] != "Local Company" && g.vals[colType] != "Foreign Company Branch" {
		return
	}
	if isLive(g.vals[colStatus]) || g.row.IntN(2) == 0 {
		g.vals[colAccountsDue] = strconv.Itoa(thisYear+g.row.IntN(2)) + "-07-31"
		g.vals[colAnnualReturn] = g.pickDay(thisYear - g.row.IntN(2))
	}
}

func (g *generator) pickDay(year int) string {
	months := 12
	if year >= thisYear {
		months = 8
	}
	date := append(strconv.AppendInt(nil, int64(year), 10), '-')
	date = appendTwoDigits(date, 1+g.row.IntN(months), '-')
	return string(appendTwoDigits(date, 1+g.row.IntN(28), 0))
}

// appendTwoDigits appends n as two digits, and then the byte then unless it is 0.
func appendTwoDigits(b []byte, n int, then byte) []byte {
	b = append(b, byte('0'+n/10), byte('0'+n%10))
	if then != 0 {
		b = append(b, then)
	}
	return b
}

func (g *generator) fillAddress() {
	if g.row.IntN(1000) == 0 {
		g.vals[colAddressType] = "FOREIGN"
		g.vals[colForeign1] = fmt.Sprintf("%d JALAN %s, LEVEL %d", 1+g.row.IntN(300), g.inventWord(), 1+g.row.IntN(30))
		g.vals[colForeign2] = "JOHOR BAHRU, MALAYSIA"
		return
	}
	g.vals[colAddressType] = "LOCAL"
	g.vals[colBlock] = strconv.Itoa(1 + g.row.IntN(1+g.row.IntN(990)))
	g.vals[colStreet] = pickOne(g.row, g.words.streets)
	if g.row.IntN(4) > 0 {
		g.vals[colLevel] = string(appendTwoDigits(nil, 1+g.row.IntN(1+g.row.IntN(40)), 0))
		g.vals[colUnit] = string(appendTwoDigits(nil, g.row.IntN(99), 0))
	}
	if g.row.IntN(5) < 2 {
		g.vals[colBuilding] = g.inventWord() + pickOne(g.row, g.words.buildings)
	}
	switch x := g.row.IntN(1000); {
	case x < 2:
	case x < 24:
		g.vals[colPostal] = fmt.Sprintf("%04d", g.row.IntN(2900))
	default:
		g.vals[colPostal] = fmt.Sprintf("%06d", 10_000+g.row.IntN(819_999))
	}
}

func (g *generator) fillActivities() {
	g.vals[colSSIC1] = pickOne(g.row, g.words.industries)
	if g.row.IntN(2) == 0 {
		g.vals[colSSIC1Text] = pickOne(g.row, g.words.activities)
	}
	if g.row.IntN(40) == 0 {
		g.vals[colActivity1] = pickOne(g.row, g.words.activities)
	}
	if g.row.IntN(100) < 53 {
		g.vals[colSSIC2] = pickOne(g.row, g.words.industries)
		g.vals[colSSIC2Text] = g.vals[colSSIC1Text]
	}
}

func (g *generator) fillHistory() {
	for i := 0; i < 15 && g.row.IntN(8) == 0; i++ {
		g.vals[colFormerNames+i] = g.inventName()
	}
	if g.vals[colType] == "Local Company" && isLive(g.vals[colStatus]) && g.row.IntN(11) == 0 {
		g.vals[colAuditFirm] = g.ids.auditFirmUEN(g.row.IntN(600))
		g.vals[colAuditFirm+1] = g.inventWord() + " & " + g.inventWord() + " LLP"
	}
}

// inventName returns one or two invented words and a trade.
func (g *generator) inventName() string {
	n := g.inventWord()
	if g.row.IntN(3) == 0 {
		n += " " + g.inventWord()
	}
	n += " " + pickOne(g.row, g.words.trades)
	switch g.row.IntN(60) {
	case 0:
		n += ", " + g.inventWord() + " BRANCH"
	case 1:
		n = `"` + n + `"`
	case 2:
		n = "É" + n
	}
	return n
}

func (g *generator) inventWord() string {
	word := make([]byte, 0, 12)
	for range 2 + g.row.IntN(2) {
		word = append(word, pickOne(g.row, g.words.onsets)...)
		word = append(word, pickOne(g.row, g.words.rhymes)...)
	}
	return string(word)
}

// changeRow changes the row in one of the ways that are usual from month to month.
func (g *generator) changeRow() {
	switch x := g.dice.IntN(100); {
	case x < 55:
		g.vals[colAnnualReturn], g.vals[colAccountsDue] = "2026-09-30", "2027-07-31"
	case x < 80:
		g.vals[colBlock] = strconv.Itoa(1000 + g.dice.IntN(900))
		g.vals[colPostal] = fmt.Sprintf("%06d", 10_000+g.dice.IntN(819_999))
	case x < 92 && isLive(g.vals[colStatus]):
		next := map[bool]string{true: "Gazetted To Be Struck Off", false: "Ceased Registration"}
		g.vals[colStatus] = next[g.vals[colStatus] != "Live"]
	default:
		g.vals[colFormerNames+14], g.vals[colOfficers] = "EARLIER "+g.vals[colName], strconv.Itoa(10+g.dice.IntN(20))
	}
}
