package provision

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// keyIndexLength is the number of leading characters of an API key that Odoo stores in the clear to find the row.
const keyIndexLength = 8

// keyRounds is Odoo's own number of rounds for keys. Keys are random, so more rounds add nothing.
const keyRounds = 6000

// ab64 is passlib's base64: "." for "+", no padding.
var ab64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(
	base64.NoPadding)

// hashSecret returns the modular-crypt string that Odoo stores for a key or password.
func hashSecret(s odoo.Secret, rounds int) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	return hashWith(s, rounds, salt)
}

func hashWith(s odoo.Secret, rounds int, salt []byte) (string, error) {
	sum, err := pbkdf2.Key(sha512.New, string(s), salt, rounds, sha512.Size)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$pbkdf2-sha512$%d$%s$%s", rounds, ab64.EncodeToString(salt), ab64.EncodeToString(sum)), nil
}

// secretMatches reports whether hash is the stored form of s.
func secretMatches(s odoo.Secret, hash string) bool {
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
