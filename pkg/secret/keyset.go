package secret

import (
	"bytes"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/leadctl/leadctl/pkg/fault"
)

// To replace the key that seals while several processes run:
//
//  1. AddKey adds a key that only opens. Give the new keyset to every process.
//  2. Promote makes that key the primary one, which seals. Give the new keyset to every process.
//  3. Seal every stored text again (package workspace).
//  4. Retire removes the other keys.

// AddKey returns the keyset with one more key. The new key opens, but does not seal before Promote.
func AddKey(json []byte) ([]byte, error) {
	return editKeyset(json, func(m *keyset.Manager, _ *keyset.Handle) error {
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// Promote returns the keyset with the newest key as the primary one, which seals.
func Promote(json []byte) ([]byte, error) {
	return editKeyset(json, func(m *keyset.Manager, h *keyset.Handle) error {
		keys := h.KeysetInfo().GetKeyInfo()
		return m.SetPrimary(keys[len(keys)-1].GetKeyId())
	})
}

// Retire returns the keyset with the primary key alone. A text that another key sealed can no longer be opened.
func Retire(json []byte) ([]byte, error) {
	return editKeyset(json, func(m *keyset.Manager, h *keyset.Handle) error {
		for _, key := range h.KeysetInfo().GetKeyInfo() {
			if key.GetKeyId() == h.KeysetInfo().GetPrimaryKeyId() {
				continue
			}
			if err := m.Delete(key.GetKeyId()); err != nil {
				return err
			}
		}
		return nil
	})
}

func editKeyset(json []byte, change func(*keyset.Manager, *keyset.Handle) error) ([]byte, error) {
	handle, err := readKeyset(json)
	if err != nil {
		return nil, err
	}
	m := keyset.NewManagerFromHandle(handle)
	if err := change(m, handle); err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	after, err := m.Handle()
	if err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	return writeKeyset(after)
}

func readKeyset(json []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(json)))
	if err != nil {
		return nil, fault.New(fault.Operator, "keyset: not a Tink keyset in JSON").
			WithHint("make one with `leadctl secrets init FILE`")
	}
	return handle, nil
}

func writeKeyset(handle *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fault.New(fault.Internal, "keyset: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}
