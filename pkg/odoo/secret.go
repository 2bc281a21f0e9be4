package odoo

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"
)

// Secret is a password, an API key or a DSN. Printed, logged or encoded it shows only that it is set. string(s) is the
// only way to the value.
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

// NewSecret returns a secret for leadctl's own account: 20 random bytes as 40 lower-case hexadecimal digits. Odoo makes
// its API keys in this form, so the secret can be a key or a password.
func NewSecret() Secret {
	b := make([]byte, 20)
	rand.Read(b)
	return Secret(hex.EncodeToString(b))
}

// IsAPIKey reports whether s has the form of an Odoo API key.
func (s Secret) IsAPIKey() bool {
	b, err := hex.DecodeString(string(s))
	return err == nil && len(b) == 20 && strings.ToLower(string(s)) == string(s)
}
