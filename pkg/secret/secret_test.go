package secret_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/secret"
)

func newKeyring(t *testing.T) *secret.Keyring {
	t.Helper()
	json, err := secret.Generate()
	require.NoError(t, err)
	k, err := secret.Parse(json)
	require.NoError(t, err)
	return k
}

func TestSealedTextOpensForItsTenantAndPurposeOnly(t *testing.T) {
	t.Parallel()
	k := newKeyring(t)
	sealed, err := k.Seal("hunter2", "odoo_api_key", 7)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(sealed, "v1:"))
	require.NotContains(t, sealed, "hunter2")

	text, err := k.Open(sealed, "odoo_api_key", 7)
	require.NoError(t, err)
	require.Equal(t, "hunter2", text)

	for name, open := range map[string]func() (string, error){
		"another tenant":  func() (string, error) { return k.Open(sealed, "odoo_api_key", 8) },
		"another purpose": func() (string, error) { return k.Open(sealed, "password", 7) },
		"another keyset":  func() (string, error) { return newKeyring(t).Open(sealed, "odoo_api_key", 7) },
		"plaintext":       func() (string, error) { return k.Open("hunter2", "odoo_api_key", 7) },
		"cut short":       func() (string, error) { return k.Open(sealed[:len(sealed)-8], "odoo_api_key", 7) },
	} {
		text, err := open()
		require.Empty(t, text, name)
		require.True(t, fault.Is(err, fault.Operator), "%s: %v", name, err)
		require.NotContains(t, err.Error(), "hunter2", name)
	}
}

func TestKeyringPrintsNoKey(t *testing.T) {
	t.Parallel()
	json, err := secret.Generate()
	require.NoError(t, err)
	k, err := secret.Parse(json)
	require.NoError(t, err)
	key := string(json[strings.Index(string(json), `"value":"`)+9:][:20])
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", k, k, k), key)
}
