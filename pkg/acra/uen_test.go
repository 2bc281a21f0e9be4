package acra

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUEN(t *testing.T) {
	t.Parallel()
	for uen, want := range map[string]uenKind{
		"196800306E": uenCompany, "201532108K": uenCompany, "S99FC5710J": uenOther, // published UENs
		"189100001K": uenCompany, "196600057H": uenCompany, "195600060Z": uenCompany, "196600239N": uenCompany,
	} {
		require.Equal(t, want, shapeOf([]byte(uen)), uen)
		require.Equal(t, uen[len(uen)-1], CheckLetter(uen[:len(uen)-1]), uen)
	}
	for _, no := range []string{"", "1", "196800306", "196800306EE", "19680030EE", "996800306E", "A99FC5710J",
		"S9XFC5710J",
		"S99F15710J", "S99FC571XJ", "S99FC57101", "1234567X", "123456789", "12345678x", "１２３４５６７８X"} {
		require.Equal(t, uenNone, shapeOf([]byte(no)), no)
	}
	require.Equal(t, uenBusiness, shapeOf([]byte("12345678X")))
	require.Zero(t, CheckLetter("1234567"))
	require.Zero(t, checkLetter(uenOther, []byte("S99IO5710J")), "letters outside the alphabet")
}

// The set behaves like a map.
func TestUENSet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	s, model := newUENSet(), map[string]bool{}
	digit := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(3))
		}
		return string(b)
	}
	for range 20_000 {
		body := []string{digit(8), "20" + digit(7), "T0" + digit(1) + "LL" + digit(4),
			"S0" + digit(1) + "PF" + digit(4)}[r.IntN(4)]
		u := body + string(CheckLetter(body))
		if r.IntN(20) == 0 {
			u = body + "F"
		}
		require.Equal(t, model[u], s.hasUEN(u), u)
		b := []byte(u)
		kind := shapeOf(b)
		require.Equal(t, model[u], s.add(kind, b, checkLetter(kind, b) == b[len(b)-1]), u)
		model[u] = true
	}
	require.Greater(t, len(model), 5000)
	require.Less(t, len(model), 20_000, "some UENs came twice")
}

// When there are too many wrong check letters, the set reports itself full instead of growing.
func TestUENSetIsBounded(t *testing.T) {
	t.Parallel()
	s := newUENSet()
	for i := range maxInvalid + 10 {
		u := []byte{'0' + byte(i/1e7%10), '0' + byte(i/1e6%10), '0' + byte(i/1e5%10), '0' + byte(i/1e4%10),
			'0' + byte(i/1e3%10), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10), 'F'}
		s.add(uenBusiness, u, false)
	}
	require.Len(t, s.invalid, maxInvalid)
	require.True(t, s.full)
}
