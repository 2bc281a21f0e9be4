package acra

// uenSet is the set of UENs that a run has seen. It is exact. It is small because UENs are numbers: each takes one bit,
// in ranges that use memory only where they are filled. The whole register needs about 10 MB.
type uenSet struct {
	business []uint64            // nnnnnnnn
	company  []uint64            // yyyynnnnn, from 1800 on
	other    map[uint32][]uint64 // by TyyPQ: nnnn
	invalid  map[string]struct{} // UENs with a wrong check letter, which would share a bit with the right one
	full     bool                // invalid is full, so the set is no longer complete
}

const (
	firstYear  = 1800
	maxInvalid = 100_000
)

func newUENSet() *uenSet {
	return &uenSet{
		// An allocation of this size is zero pages, which use no memory until a bit in them is set.
		business: make([]uint64, 100_000_000/64+1),
		company:  make([]uint64, 300*100_000/64+1),
		other:    map[uint32][]uint64{},
		invalid:  map[string]struct{}{},
	}
}

// add puts u, of the given shape, into the set and reports whether it was there before. checked tells that its check
// letter is right.
func (s *uenSet) add(kind uenKind, u []byte, checked bool) (before bool) {
	if !checked {
		return s.addInvalid(u)
	}
	bits, n := s.bitPosition(kind, u)
	before = bits[n/64]&(1<<(n%64)) != 0
	bits[n/64] |= 1 << (n % 64)
	return before
}

// hasUEN reports whether u is in the set.
func (s *uenSet) hasUEN(u string) bool {
	b := []byte(u)
	kind := shapeOf(b)
	return s.hasKey(kind, b, kind != uenNone && checkLetter(kind, b) == b[len(b)-1])
}

// hasKey is hasUEN for a UEN whose shape and check letter are known.
func (s *uenSet) hasKey(kind uenKind, u []byte, checked bool) bool {
	if !checked {
		_, ok := s.invalid[string(u)]
		return ok
	}
	bits, n := s.bitPosition(kind, u)
	return bits[n/64]&(1<<(n%64)) != 0
}

// bitPosition returns the bit that stands for u.
func (s *uenSet) bitPosition(kind uenKind, u []byte) (bits []uint64, n int) {
	switch kind {
	case uenBusiness:
		return s.business, parseDigits(u[:8])
	case uenCompany:
		return s.company, parseDigits(u[:9]) - firstYear*100_000
	}
	block := uint32(u[0]-'R')<<24 | uint32(parseDigits(u[1:3]))<<16 | uint32(u[3])<<8 | uint32(u[4])
	bits, ok := s.other[block]
	if !ok {
		bits = make([]uint64, 10_000/64+1)
		s.other[block] = bits
	}
	return bits, parseDigits(u[5:9])
}

func (s *uenSet) addInvalid(u []byte) (before bool) {
	if _, before = s.invalid[string(u)]; before {
		return true
	}
	if len(s.invalid) >= maxInvalid {
		s.full = true
		return false
	}
	s.invalid[string(u)] = struct{}{}
	return false
}
