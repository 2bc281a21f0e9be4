package keycloak

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/leadctl/leadctl/pkg/fault"
)

// apiError is a response with a status above 299.
type apiError struct {
	method, path string
	status       int
	message      string
}

// Error returns method, path, status and Keycloak's message. It does not contain the request's body.
func (r *apiError) Error() string {
	return fmt.Sprintf("Keycloak: %s %s: status %d: %s", r.method, r.path, r.status, r.message)
}

func (r *apiError) toFault() error {
	switch r.status {
	case http.StatusForbidden:
		return fault.New(fault.Denied, "Keycloak administrator: not allowed to %s %s", r.method, r.path).
			WithHint("give the administrator the role realm-admin of the client realm-management, " +
				"or use an administrator of realm master")
	case http.StatusNotFound:
		return fault.New(fault.NotFound, "%w", r)
	case http.StatusConflict:
		return fault.New(fault.Conflict, "%w", r)
	case http.StatusBadRequest:
		return fault.New(fault.Unprocessable, "%w", r)
	}
	return fault.New(fault.Unavailable, "%w", r)
}

// errorMessage returns Keycloak's error message, cut to 200 characters. Keycloak uses several names for it.
func errorMessage(body []byte) string {
	var m struct {
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
		ErrorMessage     string `json:"errorMessage"`
	}
	_ = json.Unmarshal(body, &m) // a body that is not JSON has no message
	s := cmp.Or(m.ErrorDescription, cmp.Or(m.ErrorMessage, cmp.Or(m.Error, "no reason given")))
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
