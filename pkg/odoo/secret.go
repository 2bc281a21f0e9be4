package odoo

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Secret is a password, an API key or a DSN. Printing, logging or encoding one shows that it is set, never what it is;
// string(s) is the only way to the value.
type Secret string

const masked = "[secret]"

// String keeps the value out of fmt's output.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString keeps the value out of %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue keeps the value out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the value out of JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// NewSecret makes a secret for leadctl's own account: 20 random bytes as 40 lower-case hexadecimal digits, the form in which
// Odoo makes its API keys, so that the same value can be installed as a key or as a password.
func NewSecret() Secret {
	b := make([]byte, 20)
	rand.Read(b)
	return Secret(hex.EncodeToString(b))
}

// keyIndexLength is how many leading characters of an API key Odoo stores in the clear to find the row.
const keyIndexLength = 8

// keyRounds is what Odoo itself uses for keys: they are random, so stretching adds nothing.
const keyRounds = 6000

// IsAPIKey reports whether s has the form of an Odoo API key.
func (s Secret) IsAPIKey() bool {
	b, err := hex.DecodeString(string(s))
	return err == nil && len(b) == 20 && strings.ToLower(string(s)) == string(s)
}

// ab64 is passlib's base64: "." for "+", no padding.
var ab64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)

// hashSecret is the modular-crypt string that Odoo stores for keys and passwords.
func hashSecret(s Secret, rounds int) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	return hashWith(s, rounds, salt)
}

func hashWith(s Secret, rounds int, salt []byte) (string, error) {
	sum, err := pbkdf2.Key(sha512.New, string(s), salt, rounds, sha512.Size)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$pbkdf2-sha512$%d$%s$%s", rounds, ab64.EncodeToString(salt), ab64.EncodeToString(sum)), nil
}

// secretMatches reports whether hash is the stored form of s.
func (s Secret) secretMatches(hash string) bool {
	part := strings.Split(hash, "$")
	if len(part) != 5 || part[1] != "pbkdf2-sha512" {
		return false
	}
	rounds, err := strconv.Atoi(part[2])
	if err != nil || rounds < 1 || rounds > 10_000_000 {
		return false
	}
	salt, err := ab64.DecodeString(part[3])
	if err != nil {
		return false
	}
	again, err := hashWith(s, rounds, salt)
	return err == nil && subtle.ConstantTimeCompare([]byte(again), []byte(hash)) == 1
}
