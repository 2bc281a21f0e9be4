package provision

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// TestKeyHash compares with the hash that Python's hashlib makes of the same key and salt, in passlib's notation.
func TestKeyHash(t *testing.T) {
	t.Parallel()
	const key = odoo.Secret("0123456789abcdef0123456789abcdef01234567")
	const stored = "$pbkdf2-sha512$6000$AAECAwQFBgcICQoLDA0ODw$" +
		"mi5LGW9qszqFb2e2hQCGiw1BOSkqeOc9PxJzSBMDM0aBX1r0bTlxQaWkuSEStC0tyULu25HAZTaEZpdqlQ5t5Q"
	salt := make([]byte, 16)
	for i := range salt {
		salt[i] = byte(i)
	}
	got, err := hashWith(key, keyRounds, salt)
	require.NoError(t, err)
	require.Equal(t, stored, got)
	require.True(t, secretMatches(key, stored))
	require.False(t, secretMatches(key[1:], stored))
	for _, bad := range []string{"", "plain", "$pbkdf2-sha512$x$AA$AA", "$pbkdf2-sha512$99999999999$AA$AA",
		"$pbkdf2-sha256$6000$AA$AA", "$pbkdf2-sha512$6000$!$AA"} {
		require.False(t, secretMatches(key, bad), bad)
	}
	fresh, err := hashSecret(key, keyRounds)
	require.NoError(t, err)
	require.NotEqual(t, stored, fresh, "salted")
	require.True(t, secretMatches(key, fresh))
}
