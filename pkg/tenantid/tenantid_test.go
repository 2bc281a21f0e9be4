package tenantid_test

import (
	"testing"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

func TestParseAcceptsOnlyTheCanonicalForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]tenantid.ID{
		"1": 1, "42": 42, "2147483647": 2147483647,
		"": 0, "0": 0, "01": 0, "+1": 0, "-1": 0, " 1": 0, "1 ": 0, "1\n": 0, "0x1": 0, "1_0": 0, "1.0": 0, "1e3": 0,
		"2147483648": 0, "99999999999": 0, "１": 0, "١": 0, "1;2": 0, "1 OR 1=1": 0,
	} {
		got, ok := tenantid.Parse(in)
		if ok != want.Valid() || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, got, ok, want)
		}
	}
}
