package sso

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/leadctl/leadctl/pkg/fault"
)

// The kinds of token that Verify accepts, by what the provider states in the token. Most access tokens and many
// refreshed ID tokens state nothing: for these, the place that a token came from decides.
const (
	KindAccess  = "access"  // header typ at+jwt, or claim typ Bearer
	KindID      = "id"      // claim typ ID, or a claim that only ID tokens have
	KindUnknown = "unknown" // access or ID token
)

// Identity is the content of a verified token. Issuer and Subject together identify the user; the e-mail address
// is only an attribute.
type Identity struct {
	Issuer  string // exactly the configured issuer
	Subject string // 1–255 characters

	Email         string // "" if the token has no usable address
	EmailVerified bool   // email_verified is the boolean true, and Email is from the claim email

	Tenant            TenantClaim
	Roles             []Role   // the leadctl roles in the token, ascending, without duplicates
	RolesClaimPresent bool     // false: no roles claim counts (see ClaimPaths), and the stored roles apply
	RolesErr          error    // a roles claim has the wrong type; Roles is then empty
	OtherRoles        []string // other names in the roles claims; used only to find console.operator_role

	Kind            string // KindAccess, KindID or KindUnknown
	Expiry          time.Time
	IssuedAt        time.Time
	Audience        []string
	AuthorizedParty string // azp, else client_id or cid; "" if absent
	TokenID         string // jti; "" if absent
	SessionID       string // sid, the session at the provider; "" if absent
	Nonce           string // "" if absent

	// SHA-256 of header and claims as signed. Several signatures can be valid for them: ECDSA accepts s and n-s.
	Fingerprint [sha256.Size]byte

	idToken *oidc.IDToken
}

// readOptional reads the claims for which no value is refused.
func (i *Identity) readOptional(c members) {
	i.TokenID, _ = c.stringMember("jti")
	i.SessionID, _ = c.stringMember("sid")
	i.Nonce, _ = c.stringMember("nonce")
}

// HasRole reports whether one of the token's roles is least or higher.
func (i Identity) HasRole(least Role) bool {
	for _, r := range i.Roles {
		if r.AtLeast(least) {
			return true
		}
	}
	return false
}

// ClaimFault returns a fault.Denied with code TENANT_INVALID or INSUFFICIENT_ROLE if the tenant or a roles claim has
// the wrong type or value; such a token is genuine but cannot be used for any tenant. An absent tenant claim is no
// fault: the route decides what it means.
func (i Identity) ClaimFault() error {
	if err := i.Tenant.Err(); err != nil {
		return err
	}
	if i.RolesErr != nil {
		return fault.New(fault.Denied, "roles claim cannot be read: %w", i.RolesErr).WithCode("INSUFFICIENT_ROLE")
	}
	return nil
}

// BindsAccessToken reports whether the ID token names the access token that was issued with it (at_hash).
func (i Identity) BindsAccessToken() bool { return i.idToken != nil && i.idToken.AccessTokenHash != "" }

// VerifyAccessToken checks that accessToken was issued together with this ID token (at_hash). It succeeds for an ID
// token without at_hash, which the code flow allows.
func (i Identity) VerifyAccessToken(accessToken string) error {
	if i.idToken == nil {
		return errors.New("the identity was not read from a verified token")
	}
	if i.idToken.AccessTokenHash == "" {
		return nil
	}
	return i.idToken.VerifyAccessToken(accessToken)
}
