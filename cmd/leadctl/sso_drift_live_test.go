//go:build live

package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leadctl/leadctl/pkg/doctor"
	"github.com/leadctl/leadctl/pkg/keycloak"
)

// repairDrift changes the realm: users may edit tenant_id, PKCE is off, and tokens lack e-mail address and audience. It
// checks that setup reports and repairs that, and keeps redirect URIs that others have added.
func (r *realm) repairDrift(t *testing.T) {
	var profile map[string]any
	require.Equal(t, 200, r.callAdmin(t, http.MethodGet, "/users/profile", nil, &profile))
	attributes, ok := profile["attributes"].([]any)
	require.True(t, ok)
	for _, a := range attributes {
		if m := a.(map[string]any); m["name"] == "tenant_id" {
			m["permissions"] = map[string]any{"view": []string{"admin", "user"}, "edit": []string{"admin", "user"}}
		}
	}
	require.Equal(t, 200, r.callAdmin(t, http.MethodPut, "/users/profile", profile, nil))
	var clients []map[string]any
	require.Equal(t, 200, r.callAdmin(t, http.MethodGet, "/clients?clientId="+liveClient, nil, &clients))
	clients[0]["attributes"].(map[string]any)["pkce.code.challenge.method"] = ""
	clients[0]["redirectUris"] = []string{"https://other.example/callback", "https://wide.example/*"}
	require.Equal(t, 204, r.callAdmin(t, http.MethodPut, "/clients/"+clients[0]["id"].(string), clients[0], nil))

	client := "/clients/" + clients[0]["id"].(string)
	var scopes []struct{ ID, Name string }
	require.Equal(t, 200, r.callAdmin(t, http.MethodGet, "/client-scopes", nil, &scopes))
	for _, s := range scopes {
		switch s.Name {
		case "email":
			require.Equal(t, 204, r.callAdmin(t, http.MethodDelete, client+"/default-client-scopes/"+s.ID, nil, nil))
		case "leadctl":
			var mappers []struct{ ID, Name string }
			require.Equal(
				t,
				200,
				r.callAdmin(t, http.MethodGet, "/client-scopes/"+s.ID+"/protocol-mappers/models", nil, &mappers),
			)
			for _, m := range mappers {
				if m.Name == "leadctl audience" {
					require.Equal(
						t,
						204,
						r.callAdmin(
							t,
							http.MethodDelete,
							"/client-scopes/"+s.ID+"/protocol-mappers/models/"+m.ID,
							nil,
							nil,
						),
					)
				}
			}
		}
	}

	require.Equal(t, "failed", r.doctorChecks(t)["tenant attribute"].State)
	code, out, warned := leadctl(t, r.setup("--dry-run", "-o", "json")...)
	require.Zero(t, code)
	require.Contains(t, warned, "users can edit tenant_id")
	drifted := map[string]string{}
	for _, c := range planOf(t, out) {
		if c.Action != keycloak.Keep {
			drifted[c.Kind+" "+c.Name] = c.Detail
		}
	}
	require.Len(t, drifted, 4, drifted)
	require.Contains(t, drifted, "mapper leadctl audience")
	require.Contains(t, drifted["scope of client "+liveClient], "email")
	require.Contains(t, drifted["user attribute tenant_id"], "permissions.edit")
	require.Contains(t, drifted["client "+liveClient], "pkce.code.challenge.method")

	code, _, said := leadctl(t, r.setup()...)
	require.Zero(t, code)
	require.Contains(t, said, "https://wide.example/*", "setup warns about a redirect URI with a wildcard")
	require.Equal(t, 200, r.callAdmin(t, http.MethodGet, "/clients?clientId="+liveClient, nil, &clients))
	require.Contains(t, clients[0]["redirectUris"], "https://other.example/callback")
	require.Contains(t, clients[0]["redirectUris"], "http://localhost:3000/api/auth/callback/nexius")
	code, again, _ := leadctl(t, r.setup("--print", "plan")...)
	require.Zero(t, code)
	require.NotContains(t, again, "update")
	require.NotContains(t, again, "create")
	require.Equal(t, "ok", r.doctorChecks(t)["tenant attribute"].State)
}

// doctorChecks returns the checks of `leadctl doctor` by name.
func (r *realm) doctorChecks(t *testing.T) map[string]doctor.Check {
	_, out, _ := leadctl(t, "doctor", "-o", "json")
	var checks []doctor.Check
	require.NoError(t, json.Unmarshal([]byte(out), &checks))
	byName := map[string]doctor.Check{}
	for _, c := range checks {
		byName[c.Name] = c
	}
	return byName
}
