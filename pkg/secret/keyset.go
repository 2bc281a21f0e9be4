package secret

import (
	"bytes"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/leadctl/leadctl/pkg/fault"
)

// How a master key is replaced while several processes run: AddKey gives the set a key that only opens, every process gets
// that set; Promote makes it the one that seals, every process gets that set; what is stored is sealed anew; Retire leaves
// nothing but it.

// AddKey gives the keyset one more key. It opens, and does not seal before Promote.
func AddKey(json []byte) ([]byte, error) {
	return editKeyset(json, func(m *keyset.Manager, _ *keyset.Handle) error {
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// Promote makes the newest key the one that seals.
func Promote(json []byte) ([]byte, error) {
	return editKeyset(json, func(m *keyset.Manager, h *keyset.Handle) error {
		keys := h.KeysetInfo().GetKeyInfo()
		return m.SetPrimary(keys[len(keys)-1].GetKeyId())
	})
}

// Retire removes every key but the one that seals. What the others sealed opens no more.
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
