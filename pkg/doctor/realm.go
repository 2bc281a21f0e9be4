package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/sso"
)

// checkTenantEditors asks Keycloak whether people can put themselves into another tenant. A token cannot tell: what its mapper
// copies from the user's attributes looks the same, whoever wrote it there.
func checkTenantEditors(ctx context.Context, o Options) []Check {
	const name = "tenant attribute"
	switch {
	case sso.ProductOf(o.Config.SSO.Issuer) != sso.Keycloak:
		return nil
	case o.TenantEditors == nil:
		return []Check{{Name: name, State: Skipped, Fact: "only Keycloak's administrator can see who may edit it",
			Fix: "LEADCTL_KEYCLOAK_PASSWORD_FILE lets doctor look"}}
	}
	editors, err := o.TenantEditors(ctx)
	c := fromError(name, err, "users cannot edit it")
	if err == nil && slices.ContainsFunc(editors, func(who string) bool { return who != "admin" }) {
		c = Check{Name: name, State: Failed, Fact: "editable by " + strings.Join(editors, ", ") +
			": people choose their own tenant",
			Fix: "leadctl sso keycloak setup lets only administrators edit it"}
	}
	return []Check{c}
}
