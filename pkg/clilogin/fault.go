package clilogin

import (
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/leadctl/leadctl/pkg/fault"
)

// oauthFault classifies an error of the oauth2 package. Its text contains neither the request nor the provider's whole
// response, because both may contain secrets.
func oauthFault(err error, what string) error {
	var answer *oauth2.RetrieveError
	switch {
	case !errors.As(err, &answer):
		return fault.New(fault.Unavailable, "%s: %w", what, withoutURL(err))
	case answer.ErrorCode == "" || answer.Response != nil && answer.Response.StatusCode >= 500:
		return fault.New(fault.Unavailable, "%s: the identity provider answered with status %s", what,
			answer.Response.Status)
	}
	return fault.New(fault.Unauthenticated, "%s: %s", what, quoteProvider(answer.ErrorCode, answer.ErrorDescription))
}

// withoutURL removes the URL from a transport error, because its query may contain secrets.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// quoteProvider returns the provider's error code and description, quoted and cut to 200 characters.
func quoteProvider(code, description string) string {
	s := code
	if description != "" {
		s += ": " + description
	}
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
