package acra

// seen is the set of UENs that a run has met. It is exact and small because UENs are numbers: one bit each, in ranges
// that only take memory where they are used. The whole register needs about 10 MB.
type seen struct {
	business []uint64            // nnnnnnnn
	company  []uint64            // yyyynnnnn, from 1800 on
	other    map[uint32][]uint64 // by TyyPQ: nnnn
	odd      map[string]struct{} // UENs with a wrong check letter, which would share a bit with the right one
	full     bool                // odd took no more: the set is no longer complete
}

const (
	firstYear = 1800
	maxOdd    = 100_000
)

func newSeen() *seen {
	return &seen{
		// Zero pages of an allocation this size take no memory until a bit in them is set.
		business: make([]uint64, 100_000_000/64+1),
		company:  make([]uint64, 300*100_000/64+1),
		other:    map[uint32][]uint64{},
		odd:      map[string]struct{}{},
	}
}

// add puts u, of the given shape, into the set and tells whether it was there. checked says that the check letter is right.
func (s *seen) add(kind uenKind, u []byte, checked bool) (before bool) {
	if !checked {
		return s.addOdd(u)
	}
	bits, n := s.place(kind, u)
	before = bits[n/64]&(1<<(n%64)) != 0
	bits[n/64] |= 1 << (n % 64)
	return before
}

// has tells whether u is in the set.
func (s *seen) has(u string) bool {
	b := []byte(u)
	kind := shapeOf(b)
	return s.hasKey(kind, b, kind != uenNone && checkLetter(kind, b) == b[len(b)-1])
}

// hasKey is has for a UEN whose shape and check letter are known.
func (s *seen) hasKey(kind uenKind, u []byte, checked bool) bool {
	if !checked {
		_, ok := s.odd[string(u)]
		return ok
	}
	bits, n := s.place(kind, u)
	return bits[n/64]&(1<<(n%64)) != 0
}

// place is where u's bit stands.
func (s *seen) place(kind uenKind, u []byte) (bits []uint64, n int) {
	switch kind {
	case uenBusiness:
		return s.business, number(u[:8])
	case uenCompany:
		return s.company, number(u[:9]) - firstYear*100_000
	}
	block := uint32(u[0]-'R')<<24 | uint32(number(u[1:3]))<<16 | uint32(u[3])<<8 | uint32(u[4])
	bits, ok := s.other[block]
	if !ok {
		bits = make([]uint64, 10_000/64+1)
		s.other[block] = bits
	}
	return bits, number(u[5:9])
}

func (s *seen) addOdd(u []byte) (before bool) {
	if _, before = s.odd[string(u)]; before {
		return true
	}
	if len(s.odd) >= maxOdd {
		s.full = true
		return false
	}
	s.odd[string(u)] = struct{}{}
	return false
}
