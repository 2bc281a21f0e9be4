package acra

// uenKind is the format of a UEN.
type uenKind uint8

const (
	uenNone     uenKind = iota
	uenBusiness         // nnnnnnnnX
	uenCompany          // yyyynnnnnX
	uenOther            // TyyPQnnnnX, where T is R, S or T
)

const (
	businessLetters = "XMKECAWLJDB"
	companyLetters  = "ZKCMDNERGWH"
	otherLetters    = "ABCDEFGHJKLMNPQRSTUVWX0123456789"
)

// shapeOf returns the format of a trimmed, upper-case UEN. The check letter may be wrong.
func shapeOf(u []byte) uenKind {
	switch {
	case len(u) == 9 && isDigits(u[:8]) && isLetter(u[8]):
		return uenBusiness
	case len(u) == 10 && isDigits(u[:9]) && isLetter(u[9]) && plausibleYear(u):
		return uenCompany
	case len(u) == 10 && u[0] >= 'R' && u[0] <= 'T' && isDigits(u[1:3]) && isLetter(u[3]) && isLetter(u[4]) &&
		isDigits(u[5:9]) && isLetter(u[9]):
		return uenOther
	}
	return uenNone
}

// plausibleYear bounds the years of incorporation to 1800–2099.
func plausibleYear(u []byte) bool {
	return u[0] == '1' && u[1] >= '8' || u[0] == '2' && u[1] == '0'
}

// CheckLetter returns the last letter of the UEN that begins with body. body is one of the three formats without its
// last letter; for other values the result is 0.
func CheckLetter(body string) byte {
	u := []byte(body + "A")
	return checkLetter(shapeOf(u), u)
}

// checkLetter computes the check letter from the rest of u. It returns 0 when u has none.
func checkLetter(kind uenKind, u []byte) byte {
	switch kind {
	case uenBusiness:
		return businessLetters[weightedSum(u[:8], [...]int{10, 4, 9, 3, 8, 2, 7, 1, 0})%11]
	case uenCompany:
		return companyLetters[weightedSum(u[:9], [...]int{10, 8, 6, 4, 9, 7, 5, 3, 1})%11]
	case uenOther:
		sum := 0
		for i, w := range [...]int{4, 3, 5, 3, 10, 2, 2, 5, 7} {
			at := otherIndex(u[i])
			if at < 0 {
				return 0
			}
			sum += at * w
		}
		return otherLetters[(sum-5+11)%11]
	}
	return 0
}

func weightedSum(u []byte, weights [9]int) int {
	sum := 0
	for i, c := range u {
		sum += int(c-'0') * weights[i]
	}
	return sum
}

// otherIndex returns the index of c in otherLetters, which leaves out I, O, Y and Z.
func otherIndex(c byte) int {
	for i := range len(otherLetters) {
		if otherLetters[i] == c {
			return i
		}
	}
	return -1
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' }

func isDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) > 0
}

// parseDigits returns the value of decimal digits.
func parseDigits(s []byte) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
