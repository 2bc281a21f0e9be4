// Package secret keeps what must not be readable in the database: it seals a text for one tenant and one purpose and
// opens it again.
//
// The cipher is Tink's AES-256-GCM keyset. The key's id stands in every ciphertext, so keys rotate without a flag day:
// what an older key of the set sealed still opens. Tenant and purpose are authenticated with the text, so a ciphertext
// copied to another tenant's row opens nowhere. It does not decide where ciphertexts are kept (package onboarding does) nor
// when keys rotate.
package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// prefix marks a sealed text; the database refuses a secret without it.
const prefix = "v1:"

// Keyring seals and opens. It is safe for concurrent use and shows no key when printed.
type Keyring struct{ aead tink.AEAD }

// Generate makes a new keyset with one key, as the JSON that Parse reads.
func Generate() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// Parse reads a keyset. The error never repeats what it read.
func Parse(json []byte) (*Keyring, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(json)))
	if err != nil {
		return nil, fault.New(fault.Operator, "keyset: not a Tink keyset in JSON").
			WithHint("make one with `leadctl secrets init FILE`")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.Operator, "keyset: no usable AEAD key in it").
			WithHint("make one with `leadctl secrets init FILE`")
	}
	return &Keyring{primitive}, nil
}

// Seal encrypts text for tenant and purpose (a constant such as "odoo_api_key").
func (k *Keyring) Seal(text, purpose string, tenant tenantid.ID) (string, error) {
	sealed, err := k.aead.Encrypt([]byte(text), associated(purpose, tenant))
	if err != nil {
		return "", fault.New(fault.Internal, "secret %s of tenant %s: %w", purpose, tenant, err)
	}
	return prefix + base64.StdEncoding.EncodeToString(sealed), nil
}

// Open decrypts what Seal made for the same tenant and purpose. Anything else, plaintext included, is an Operator fault:
// there is no fallback.
func (k *Keyring) Open(sealed, purpose string, tenant tenantid.ID) (string, error) {
	refused := fault.New(fault.Operator, "secret %s of tenant %s: it does not open with this keyset", purpose, tenant).
		WithHint("run with the keyset that sealed it; `leadctl tenant provision --retry` makes a new one")
	raw, ok := strings.CutPrefix(sealed, prefix)
	if !ok {
		return "", refused
	}
	ciphertext, err := base64.StdEncoding.DecodeString(raw)
	if err != nil {
		return "", refused
	}
	text, err := k.aead.Decrypt(ciphertext, associated(purpose, tenant))
	if err != nil {
		return "", refused
	}
	return string(text), nil
}

func associated(purpose string, tenant tenantid.ID) []byte {
	return fmt.Appendf(nil, "leadctl\x00%s\x00%s", purpose, tenant)
}
