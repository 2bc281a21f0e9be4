package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/sso"
)

// checkTenantEditors asks Keycloak whether users can move themselves to another tenant. A token does not show it: the
// mapper copies the attribute no matter who wrote it.
func checkTenantEditors(ctx context.Context, o Options) []Check {
	const name = "tenant attribute"
	switch {
	case sso.ProductOf(o.Config.SSO.Issuer) != sso.Keycloak:
		return nil
	case o.TenantEditors == nil:
		return []Check{{Name: name, State: Skipped, Fact: "only Keycloak's administrator can read who may edit it",
			Fix: "set LEADCTL_KEYCLOAK_PASSWORD_FILE to check it"}}
	}
	editors, err := o.TenantEditors(ctx)
	c := fromError(name, err, "users cannot edit it")
	if err == nil && slices.ContainsFunc(editors, func(who string) bool { return who != "admin" }) {
		c = Check{Name: name, State: Failed, Fact: "editable by " + strings.Join(editors, ", ") +
			": users can choose their tenant",
			Fix: "run `leadctl sso keycloak setup`, which restricts it to administrators"}
	}
	return []Check{c}
}
