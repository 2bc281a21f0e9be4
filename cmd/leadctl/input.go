package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
	"github.com/leadctl/leadctl/pkg/leads"
)

// readPassword reads the first line of file; - is stdin.
func (a *app) readPassword(file string) (string, error) {
	var raw []byte
	var err error
	switch file {
	case "":
		return "", fault.New(fault.Invalid, "--password-file: not set").
			WithHint("--password-file FILE reads the password from a file, --password-file - from stdin")
	case "-":
		raw, err = io.ReadAll(io.LimitReader(a.stdin, 4096))
	default:
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return "", fault.New(fault.Invalid, "password: %w", err)
	}
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	return strings.TrimSuffix(string(line), "\r"), nil
}

// tokenSource holds the flags that say where a command's token comes from.
type tokenSource struct{ file, client string }

// readToken reads the token from --token-file, else from LEADCTL_TOKEN, else from the session of `leadctl sso login`.
func (a *app) readToken(ctx context.Context, from tokenSource) (string, error) {
	raw := []byte(os.Getenv("LEADCTL_TOKEN"))
	var err error
	switch {
	case from.file == "-":
		raw, err = io.ReadAll(io.LimitReader(a.stdin, maxTokenFile))
	case from.file != "":
		raw, err = os.ReadFile(from.file)
	case len(bytes.TrimSpace(raw)) == 0:
		return a.savedToken(ctx, from.client)
	}
	if err != nil {
		return "", fault.New(fault.Invalid, "token: %w", err)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", fault.New(fault.Invalid, "token: %s is empty", cmp.Or(from.file, "LEADCTL_TOKEN"))
	}
	return string(bytes.TrimPrefix(raw, []byte("Bearer "))), nil
}

// maxTokenFile is how much of stdin is read for a token or a password, in bytes.
const maxTokenFile = 64 << 10

// readAdminSecret reads the password of Keycloak's administrator from file (- is stdin), else from the environment.
func (a *app) readAdminSecret(file string) (string, error) {
	raw := []byte(os.Getenv("LEADCTL_KEYCLOAK_PASSWORD"))
	var err error
	switch {
	case file == "-":
		raw, err = io.ReadAll(io.LimitReader(a.stdin, maxTokenFile))
	case file != "":
		raw, err = os.ReadFile(file)
	case len(raw) == 0 && os.Getenv("LEADCTL_KEYCLOAK_PASSWORD_FILE") != "":
		raw, err = os.ReadFile(os.Getenv("LEADCTL_KEYCLOAK_PASSWORD_FILE"))
	}
	if err != nil {
		return "", fault.New(fault.Invalid, "Keycloak administrator's password: %w", err)
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return "", fault.New(fault.Invalid, "Keycloak administrator's password: not set").
			WithHint("use --admin-password-file FILE (- is stdin), LEADCTL_KEYCLOAK_PASSWORD or " +
				"LEADCTL_KEYCLOAK_PASSWORD_FILE")
	}
	return string(raw), nil
}

// payloadSource holds the flags that say where a profile comes from: the command line, a file, stdin, or the profile
// that new tenants get.
type payloadSource struct {
	inline, file string
	template     bool
}

func (p *payloadSource) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.inline, "payload", "", "the profile as JSON")
	cmd.Flags().StringVar(&p.file, "file", "", "file with the profile as JSON; - reads stdin")
	cmd.Flags().BoolVar(&p.template, "template", false, "use the profile that new tenants get")
	cmd.MarkFlagsMutuallyExclusive("payload", "file", "template")
}

func (p *payloadSource) readPayload(stdin io.Reader) ([]byte, error) {
	switch {
	case p.template:
		return []byte(leads.DefaultPayload), nil
	case p.inline != "":
		return []byte(p.inline), nil
	case p.file == "-":
		return io.ReadAll(io.LimitReader(stdin, 1<<20))
	case p.file == "":
		return nil, fault.New(fault.Invalid, "profile: not set").
			WithHint("name it with --payload, --file or --template")
	}
	b, err := os.ReadFile(p.file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "--file %s: %w", p.file, err)
	}
	return b, nil
}
