// Package secret keeps what must not be readable in the database: it seals a text for one tenant and one purpose and
// opens it again.
//
// The cipher is Tink's AES-256-GCM keyset. The key's id stands in every ciphertext, so keys rotate without a flag day:
// what an older key of the set sealed still opens (keyset.go changes a set). Tenant and purpose are authenticated with the text, so a ciphertext
// copied to another tenant's row opens nowhere. It does not decide where ciphertexts are kept (packages workspace and session
// do) nor when keys rotate.
package secret

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// prefix marks a sealed text; the database refuses a secret without it.
const prefix = "v1:"

// Keyring seals and opens. It is safe for concurrent use and shows no key when printed.
type Keyring struct {
	aead    tink.AEAD
	primary uint32 // id of the key that seals
}

// Generate makes a new keyset with one key, as the JSON that Parse reads.
func Generate() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	return writeKeyset(handle)
}

// Parse reads a keyset. The error never repeats what it read.
func Parse(json []byte) (*Keyring, error) {
	handle, err := readKeyset(json)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.Operator, "keyset: no usable AEAD key in it").
			WithHint("make one with `leadctl secrets init FILE`")
	}
	return &Keyring{primitive, handle.KeysetInfo().GetPrimaryKeyId()}, nil
}

// Sealed reports whether text has the form of what Seal makes. Anything else was stored in the clear.
func Sealed(text string) bool { return strings.HasPrefix(text, prefix) }

// SealedWith is the id of the key that sealed a text; ok is false for what no Keyring made.
func SealedWith(sealed string) (id uint32, ok bool) {
	raw, isOurs := strings.CutPrefix(sealed, prefix)
	ciphertext, err := base64.StdEncoding.DecodeString(raw)
	if !isOurs || err != nil || len(ciphertext) < keyPrefix || ciphertext[0] != tinkVersion {
		return 0, false
	}
	return binary.BigEndian.Uint32(ciphertext[1:]), true
}

// A Tink ciphertext begins with a version byte and the id of its key.
const (
	tinkVersion = 1
	keyPrefix   = 5
)

// IsCurrent reports whether the key that seals now has sealed this.
func (k *Keyring) IsCurrent(sealed string) bool {
	id, ok := SealedWith(sealed)
	return ok && id == k.primary
}

// Seal encrypts text for tenant and purpose (a constant such as "odoo_api_key").
func (k *Keyring) Seal(text, purpose string, tenant tenantid.ID) (string, error) {
	sealed, err := k.aead.Encrypt([]byte(text), associatedData(purpose, tenant))
	if err != nil {
		return "", fault.New(fault.Internal, "secret %s of tenant %s: %w", purpose, tenant, err)
	}
	return prefix + base64.StdEncoding.EncodeToString(sealed), nil
}

// Open decrypts what Seal made for the same tenant and purpose. Anything else, plaintext included, is an Operator fault:
// there is no fallback.
func (k *Keyring) Open(sealed, purpose string, tenant tenantid.ID) (string, error) {
	refused := fault.New(fault.Operator, "secret %s of tenant %s: it does not open with this keyset", purpose, tenant).
		WithHint("run with the keyset that sealed it")
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

// Column is where sealed texts stand in the database, for moving them to another key. Tenant: Key is the tenant they belong
// to; else they belong to none.
type Column struct {
	Table, Key, Value string
	Purpose           string
	Tenant            bool
}
