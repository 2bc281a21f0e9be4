package config

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/tenantid"
)

// parseValue parses raw, a string or a YAML value, into field. Its errors complete the message `SETTING "value": …`.
// They do not contain the value, which may be secret.
func parseValue(field, raw any) (err error) {
	switch f := field.(type) {
	case *string:
		*f = valueText(raw)
	case *[]string:
		*f = splitList(raw)
	case *bool:
		*f, err = parseBool(valueText(raw))
	case *int:
		*f, err = parseInt(valueText(raw))
	case *time.Duration:
		*f, err = parseDuration(valueText(raw))
	case *tenantid.ID:
		*f, err = parseTenant(valueText(raw))
	case *slog.Level:
		if f.UnmarshalText([]byte(valueText(raw))) != nil {
			err = errors.New("must be one of debug, info, warn, error")
		}
	default:
		panic(fmt.Sprintf("config: no parser for %T", field))
	}
	return err
}

// valueText returns raw as one would write it in an environment variable.
func valueText(raw any) string {
	switch v := raw.(type) {
	case nil:
		return ""
	case []any:
		return strings.Join(splitList(v), ",")
	}
	return fmt.Sprint(raw)
}

// splitList returns the items of a comma-separated string or of a YAML list, without surrounding space and without
// empty items.
func splitList(raw any) []string {
	parts := []string{}
	if list, ok := raw.([]any); ok {
		for _, item := range list {
			parts = append(parts, valueText(item))
		}
	} else {
		parts = strings.Split(valueText(raw), ",")
	}
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return false, errors.New("must be one of 1, true, yes, on, 0, false, no, off")
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return n, nil
}

// parseDuration parses a number of seconds, which existing deployments use, or a Go duration such as 1h30m.
func parseDuration(s string) (time.Duration, error) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("must be a number of seconds or a duration such as 12h")
	}
	return d, nil
}

func parseTenant(s string) (tenantid.ID, error) {
	if s == "0" {
		return 0, nil
	}
	id, ok := tenantid.Parse(s)
	if !ok {
		return 0, errors.New("must be a tenant's number")
	}
	return id, nil
}
