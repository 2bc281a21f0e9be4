package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocsDescribeSettingsOnly(t *testing.T) {
	t.Parallel()
	for key := range docs {
		require.Equal(t, key, settingByKey(key).Key, "docs has an entry for a setting that does not exist")
	}
	require.Len(t, docs, len(Settings()), "each setting needs an entry in docs")
}
