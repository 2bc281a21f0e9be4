package sso

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// TenantKind is the form in which a token names a tenant.
type TenantKind uint8

// The kinds of tenant claim.
const (
	TenantAbsent     TenantKind = iota // every tenant claim is missing, null or ""
	TenantNumber                       // a positive number of up to 18 digits, without leading zeros
	TenantExternalID                   // a name such as acme-sg
	TenantInvalid                      // a claim with a wrong type or value, or two claims that disagree
)

// String returns the kind as text.
func (k TenantKind) String() string {
	return [...]string{"absent", "number", "external id", "invalid"}[k]
}

// TenantClaim is the tenant that a token names. The zero value is an absent claim.
type TenantClaim struct {
	Kind   TenantKind
	Value  string // the number or the external id; "" if absent or invalid
	Source string // the claim that contains it
	detail string // why it is invalid
}

// ID returns the tenant's number, if the claim is a number in the range of a tenant_id (int4).
func (c TenantClaim) ID() (tenantid.ID, bool) {
	if c.Kind != TenantNumber {
		return 0, false
	}
	return tenantid.Parse(c.Value)
}

// Err returns a fault.Denied with code TENANT_INVALID for an invalid claim, else nil.
func (c TenantClaim) Err() error {
	if c.Kind != TenantInvalid {
		return nil
	}
	return fault.New(fault.Denied, "tenant claim is not usable: %s", c.detail).WithCode("TENANT_INVALID")
}

// CheckTenant returns a fault.Invalid if s would be invalid as a tenant claim.
func CheckTenant(s string) error {
	if c := newTenantReader(nil).classifyTenant(claimPath{"tenant_id"}, s); c.Kind == TenantInvalid {
		return fault.New(fault.Invalid, "tenant %q: must be a tenant number or an external id", s)
	}
	return nil
}

// The two forms of a tenant. No string matches both.
const (
	numberForm   = `^[1-9][0-9]{0,17}$`
	externalForm = `^[A-Za-z][A-Za-z0-9_-]{0,62}$`
)

// placeholderNames returns words that a misconfigured claim mapper sends for a missing value. leadctl rejects them,
// because otherwise users of different companies would share a tenant.
func placeholderNames() []string {
	return []string{"null", "nil", "none", "undefined", "nan", "true", "false", "all", "public"}
}

// tenantReader reads tenant claims. It compiles its patterns once per verifier.
type tenantReader struct {
	number, external *regexp.Regexp
	paths            []claimPath
}

func newTenantReader(paths []claimPath) tenantReader {
	return tenantReader{regexp.MustCompile(numberForm), regexp.MustCompile(externalForm), paths}
}

// readTenant reads all configured claims. Those that are present must agree.
func (t tenantReader) readTenant(c members) TenantClaim {
	var found TenantClaim
	for _, p := range t.paths {
		v, err := c.valueAt(p)
		if err != nil {
			return invalidTenant(p, err.Error())
		}
		next := t.parseValue(p, v)
		switch {
		case next.Kind == TenantInvalid:
			return next
		case next.Kind == TenantAbsent:
		case found.Kind == TenantAbsent:
			found = next
		case found.Value != next.Value:
			return invalidTenant(p, "names a different tenant than claim "+found.Source)
		}
	}
	return found
}

// parseValue reads one claim. It uses the JSON source of a number, so that no digit is lost.
func (t tenantReader) parseValue(p claimPath, v jsontext.Value) TenantClaim {
	if v == nil || v.Kind() == 'n' {
		return TenantClaim{}
	}
	var s string
	switch v.Kind() {
	case '"':
		if s = unquoteString(v); s == "" {
			return TenantClaim{}
		}
	case '0':
		if s = string(v); !t.number.MatchString(s) {
			return invalidTenant(p, "must be a positive whole number of up to 18 digits")
		}
	default:
		return invalidTenant(p, "want a number or a string, got "+kindName(v))
	}
	return t.classifyTenant(p, s)
}

func (t tenantReader) classifyTenant(p claimPath, s string) TenantClaim {
	switch {
	case t.number.MatchString(s):
		return TenantClaim{Kind: TenantNumber, Value: s, Source: p.String()}
	case slices.Contains(placeholderNames(), strings.ToLower(s)):
		return invalidTenant(p, quote(s)+" is a placeholder for a missing value")
	case t.external.MatchString(s):
		return TenantClaim{Kind: TenantExternalID, Value: s, Source: p.String()}
	}
	return invalidTenant(p, quote(s)+" is neither a tenant number nor an external id")
}

func invalidTenant(p claimPath, why string) TenantClaim {
	return TenantClaim{Kind: TenantInvalid, Source: p.String(), detail: "claim " + p.String() + ": " + why}
}
