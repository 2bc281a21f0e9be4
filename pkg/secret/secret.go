// Package secret encrypts texts that the database must not hold in plaintext. Seal encrypts a text for one tenant and
// one purpose; Open decrypts it.
//
// The cipher is AES-256-GCM with a Tink keyset. Each ciphertext holds the id of its key, so a text that an older key
// of the set sealed can still be opened after a new key is added (keyset.go changes a set). Tenant and purpose are
// authenticated with the text, so a ciphertext that is copied to another tenant's row cannot be opened there. The
// package does not decide where ciphertexts are stored (packages workspace and session do) or when keys are rotated.
package secret

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// prefix marks a sealed text. A CHECK constraint of the database rejects a secret without it.
const prefix = "v1:"

// Keyring seals and opens texts. It is safe for concurrent use and shows no key when printed.
type Keyring struct {
	aead    tink.AEAD
	primary uint32 // id of the key that seals
	ids     []uint32
}

// Generate returns a new keyset with one key, in the JSON form that Parse reads.
func Generate() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	return writeKeyset(handle)
}

// Parse returns the keyring of a keyset in JSON. Its error does not contain the input.
func Parse(json []byte) (*Keyring, error) {
	handle, err := readKeyset(json)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.Operator, "keyset: it holds no usable AEAD key").
			WithHint("make one with `leadctl secrets init FILE`")
	}
	k := &Keyring{aead: primitive, primary: handle.KeysetInfo().GetPrimaryKeyId()}
	for _, key := range handle.KeysetInfo().GetKeyInfo() {
		k.ids = append(k.ids, key.GetKeyId())
	}
	return k, nil
}

// Sealed reports whether text has the prefix that Seal writes. A text without it was stored as plaintext.
func Sealed(text string) bool { return strings.HasPrefix(text, prefix) }

// SealedWith returns the id of the key that sealed a text. ok is false if no Keyring can have sealed it.
func SealedWith(sealed string) (id uint32, ok bool) {
	raw, hasPrefix := strings.CutPrefix(sealed, prefix)
	ciphertext, err := base64.StdEncoding.DecodeString(raw)
	if !hasPrefix || err != nil || len(ciphertext) < keyPrefixLen || ciphertext[0] != tinkVersion {
		return 0, false
	}
	return binary.BigEndian.Uint32(ciphertext[1:]), true
}

// A Tink ciphertext begins with a version byte and the id of its key, 4 bytes in big-endian order.
const (
	tinkVersion  = 1
	keyPrefixLen = 5
)

// IsCurrent reports whether sealed was sealed with the primary key, which seals now.
func (k *Keyring) IsCurrent(sealed string) bool {
	id, ok := SealedWith(sealed)
	return ok && id == k.primary
}

// Has reports whether the keyring holds the key that sealed a text.
func (k *Keyring) Has(sealed string) bool {
	id, ok := SealedWith(sealed)
	return ok && slices.Contains(k.ids, id)
}

// Seal returns text encrypted for tenant and purpose, a constant such as "odoo_api_key".
func (k *Keyring) Seal(text, purpose string, tenant tenantid.ID) (string, error) {
	sealed, err := k.aead.Encrypt([]byte(text), associatedData(purpose, tenant))
	if err != nil {
		return "", fault.New(fault.Internal, "secret %s of tenant %s: %w", purpose, tenant, err)
	}
	return prefix + base64.StdEncoding.EncodeToString(sealed), nil
}

// Open returns the text that Seal encrypted for the same tenant and purpose. Anything else, also a plaintext, is an
// Operator fault.
func (k *Keyring) Open(sealed, purpose string, tenant tenantid.ID) (string, error) {
	refused := fault.New(fault.Operator, "secret %s of tenant %s: this keyset cannot decrypt it", purpose, tenant).
		WithHint("run leadctl with the keyset that encrypted it")
	raw, ok := strings.CutPrefix(sealed, prefix)
	if !ok {
		return "", refused
	}
	ciphertext, err := base64.StdEncoding.DecodeString(raw)
	if err != nil {
		return "", refused
	}
	text, err := k.aead.Decrypt(ciphertext, associatedData(purpose, tenant))
	if err != nil {
		return "", refused
	}
	return string(text), nil
}

func associatedData(purpose string, tenant tenantid.ID) []byte {
	return fmt.Appendf(nil, "leadctl\x00%s\x00%s", purpose, tenant)
}

// Column describes a database column of sealed texts, for sealing them with another key.
type Column struct {
	Table   string
	Key     string // the table's primary key column
	Value   string // the column that holds the sealed text
	Purpose string // as passed to Seal
	Tenant  bool   // Key is the tenant that the text was sealed for; otherwise it was sealed for tenant 0
}
