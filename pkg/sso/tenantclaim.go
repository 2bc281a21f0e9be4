package sso

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/tenantid"
)

// TenantKind says in which way a token names a tenant.
type TenantKind uint8

// The ways.
const (
	TenantAbsent     TenantKind = iota // no source names one (missing, null or "")
	TenantNumber                       // a canonical positive number of up to 18 digits
	TenantExternalID                   // a name such as acme-sg
	TenantInvalid                      // a source of the wrong shape, or two sources that disagree
)

// String is the kind in words.
func (k TenantKind) String() string {
	return [...]string{"absent", "number", "external id", "invalid"}[k]
}

// TenantClaim is what the token says about the tenant. The zero value is an absent claim.
type TenantClaim struct {
	Kind   TenantKind
	Value  string // the canonical number or the external id; "" when absent or invalid
	Source string // the claim it came from
	detail string // why it is invalid
}

// ID is the tenant's number, when the claim is one that can be a tenant_id (int4).
func (c TenantClaim) ID() (tenantid.ID, bool) {
	if c.Kind != TenantNumber {
		return 0, false
	}
	return tenantid.Parse(c.Value)
}

// Err is a fault.Denied with code TENANT_INVALID for an invalid claim, else nil.
func (c TenantClaim) Err() error {
	if c.Kind != TenantInvalid {
		return nil
	}
	return fault.New(fault.Denied, "tenant claim cannot be used: %s", c.detail).WithCode("TENANT_INVALID")
}

// CheckTenant is a fault.Invalid for a text that would be rejected as a tenant claim.
func CheckTenant(s string) error {
	if c := newTenantReader(nil).classifyTenant(claimPath{"tenant_id"}, s); c.Kind == TenantInvalid {
		return fault.New(fault.Invalid, "tenant %q: neither a tenant number nor an external id", s)
	}
	return nil
}

// The two spellings of a tenant. They cannot both match one text.
const (
	numberForm   = `^[1-9][0-9]{0,17}$`
	externalForm = `^[A-Za-z][A-Za-z0-9_-]{0,62}$`
)

// placeholderNames are words that a broken claim mapper sends in place of a value. They would gather strangers in one tenant.
func placeholderNames() []string {
	return []string{"null", "nil", "none", "undefined", "nan", "true", "false", "all", "public"}
}

// tenantReader reads tenant claims; its patterns are compiled once per verifier.
type tenantReader struct {
	number, external *regexp.Regexp
	paths            []claimPath
}

func newTenantReader(paths []claimPath) tenantReader {
	return tenantReader{regexp.MustCompile(numberForm), regexp.MustCompile(externalForm), paths}
}

// readTenant unites the configured sources: one value, or several that agree.
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
			return invalidTenant(p, "it names another tenant than "+found.Source)
		}
	}
	return found
}

// parseValue reads one source. A number is taken from its JSON text, so no digit is lost on the way.
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
			return invalidTenant(p, "not a positive whole number of up to 18 digits")
		}
	default:
		return invalidTenant(p, "it is "+kindName(v)+", not a number or a text")
	}
	return t.classifyTenant(p, s)
}

func (t tenantReader) classifyTenant(p claimPath, s string) TenantClaim {
	switch {
	case t.number.MatchString(s):
		return TenantClaim{Kind: TenantNumber, Value: s, Source: p.String()}
	case slices.Contains(placeholderNames(), strings.ToLower(s)):
		return invalidTenant(p, quote(s)+" is a placeholder")
	case t.external.MatchString(s):
		return TenantClaim{Kind: TenantExternalID, Value: s, Source: p.String()}
	}
	return invalidTenant(p, quote(s)+" is neither a tenant number nor an external id")
}

func invalidTenant(p claimPath, why string) TenantClaim {
	return TenantClaim{Kind: TenantInvalid, Source: p.String(), detail: "claim " + p.String() + ": " + why}
}
