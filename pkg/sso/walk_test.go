package sso

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// FuzzEntries compares walkEntries with the parser: on any valid JSON, at any depth, both return the
// same names and values.
func FuzzEntries(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, ` [ 1 , "a,]}" , null ] `, `{"a":{"b":[1,-2.5e+3,{"c":"\\\""}],"d":""},"e":true}`,
		`[[],{},[[{"x":[]}]]]`,
		"{\"a\\u0062\" \t:\r\n\"\\\\\" , \"\":{}}", `"text"`, `7`, `null`, `[0]`, `{"a":[",",":","}"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if v := jsontext.Value(raw); v.IsValid() {
			require.NotPanics(t, func() { sameEntries(t, v) })
		} else {
			require.NotPanics(t, func() {
				for range walkEntries(v) {
				}
			})
		}
	})
}

func sameEntries(t *testing.T, v jsontext.Value) {
	var want [][]byte
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	open, err := dec.ReadToken()
	require.NoError(t, err)
	if k := open.Kind(); k != '{' && k != '[' {
		for range walkEntries(v) {
			t.Fatalf("entries of %s", v)
		}
		return
	}
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
		e, err := dec.ReadValue()
		require.NoError(t, err)
		want = append(want, bytes.Clone(e))
	}
	var have [][]byte
	for name, value := range walkEntries(v) {
		if name != nil {
			have = append(have, name)
		}
		have = append(have, value)
		sameEntries(t, value)
	}
	require.Equal(t, want, have, "%s", v)
}
