package odoo

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	s := NewSecret()
	require.True(t, s.IsAPIKey())
	for _, bad := range []Secret{"", "admin", s + "0", Secret(strings.Repeat("g", 40)),
		Secret(strings.Repeat("A", 40))} {
		require.False(t, bad.IsAPIKey())
	}
	asJSON, err := json.Marshal(struct{ S Secret }{s})
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "in", struct{ S Secret }{s})
	for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s),
		fmt.Sprintf("%#v", struct{ S Secret }{s}), string(asJSON), log.String()} {
		require.NotContains(t, out, string(s))
		require.Contains(t, out, masked)
	}
	require.Empty(t, Secret("").String(), "an unset secret prints as unset")
}

func TestWireValue(t *testing.T) {
	t.Parallel()
	got, err := wireValue([]any{nil, Record{"a": nil, "b": []Record{{"c": 1}}}, []int64{1}, "x", 1.5})
	require.NoError(t, err)
	require.Equal(t, []any{false, map[string]any{"a": false, "b": []any{map[string]any{"c": 1}}}, []int64{1}, "x", 1.5},
		got)
	for _, bad := range []any{map[string]any{"a<b": 1}, []any{struct{}{}}, new(int), []byte("x"), map[string]string{}} {
		_, err := wireValue(bad)
		require.Error(t, err, "%v", bad)
	}
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "Access Denied": "Access Denied", "Record does not exist.\n(Record: x)": "Record does not exist.",
		"Traceback (most recent call last):\n  File \"a\"\n    x()\npsycopg2.errors.UniqueViolation: duplicate " +
			"key\nDETAIL:  Key (x)=(y) exists.\n": "psycopg2.errors.UniqueViolation: duplicate key",
		"Traceback:\n  File\nKeyError: 'a'\n\nDuring handling of the above:\n\n" +
			"Traceback:\n  File\nValueError: b\n": "ValueError: b",
	} {
		require.Equal(t, want, lastLine(text))
	}
	require.LessOrEqual(t, len(cutDetail(strings.Repeat("é", 400), nil)), 304)
}
