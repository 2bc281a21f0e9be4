package sso

import (
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The kinds of token that prove an identity here.
const (
	KindAccess = "access"
	KindID     = "id"
)

// Identity is what a verified token says. (Issuer, Subject) is the key; the e-mail is an attribute of it.
type Identity struct {
	Issuer  string // exactly the configured issuer
	Subject string // 1–255 characters

	Email         string // "" when the token has no usable address
	EmailVerified bool   // true only for a boolean true that vouches for Email

	Tenant            TenantClaim
	Roles             []Role   // the roles we know, ascending, each once
	RolesClaimPresent bool     // false: the token says nothing about roles here (see ClaimPaths.Roles) and the stored ones count
	RolesErr          error    // a roles claim of the wrong shape; Roles is then empty
	OtherRoles        []string // names in the roles claims that are no role here; only console.operator_role is looked for among them

	Kind            string // KindAccess or KindID
	Expiry          time.Time
	IssuedAt        time.Time
	Audience        []string
	AuthorizedParty string // azp, "" when absent
	TokenID         string // jti, "" when absent
	SessionID       string // sid, "" when absent
	Nonce           string // "" when absent

	idToken *oidc.IDToken
}

// readOptional takes the claims that are worth knowing and never rejected.
func (i *Identity) readOptional(c members) {
	i.TokenID, _ = c.stringMember("jti")
	i.SessionID, _ = c.stringMember("sid")
	i.Nonce, _ = c.stringMember("nonce")
}

// HasRole reports whether one of the token's roles is least or stands above it.
func (i Identity) HasRole(least Role) bool {
	for _, r := range i.Roles {
		if r.AtLeast(least) {
			return true
		}
	}
	return false
}

// ClaimFault is what makes a genuine token unusable for any tenant: a tenant or roles claim of the wrong shape.
// It is a fault.Denied with code TENANT_INVALID or INSUFFICIENT_ROLE; nil when both claims can be read.
// An absent tenant claim is no fault: what it means depends on the route.
func (i Identity) ClaimFault() error {
	if err := i.Tenant.Err(); err != nil {
		return err
	}
	if i.RolesErr != nil {
		return fault.New(fault.Denied, "roles claim cannot be read: %w", i.RolesErr).WithCode("INSUFFICIENT_ROLE")
	}
	return nil
}

// BindsAccessToken reports whether the ID token names the access token that it was issued with (at_hash).
func (i Identity) BindsAccessToken() bool { return i.idToken != nil && i.idToken.AccessTokenHash != "" }

// VerifyAccessToken checks that accessToken was issued together with this ID token (at_hash). An ID token without at_hash,
// which the code flow allows, says nothing about it.
func (i Identity) VerifyAccessToken(accessToken string) error {
	if i.idToken == nil {
		return errors.New("identity does not come from a verified token")
	}
	if i.idToken.AccessTokenHash == "" {
		return nil
	}
	return i.idToken.VerifyAccessToken(accessToken)
}
