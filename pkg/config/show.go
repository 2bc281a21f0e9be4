package config

import "regexp"

// Shown is a setting with its value, fit to be printed.
type Shown struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // as its origin wrote it; secrets masked
	Origin string `json:"origin"` // "--listen", "profile staging", "env POSTGRES_DSN", "file leadctl.yaml" or "default"
}

// Show lists every setting that Load read, also those it found wrong.
func (c Config) Show() []Shown {
	out := make([]Shown, len(c.settings))
	for i, s := range c.settings {
		out[i] = Shown{Key: s.Key, Value: s.maskedValue(), Origin: s.origin}
	}
	return out
}

const mask = "********"

func (s loadedSetting) maskedValue() string {
	v := valueText(s.value)
	switch {
	case s.Secret == "all" && v != "":
		return mask
	case s.Secret == "password":
		return maskPassword(v)
	}
	return v
}

// maskPassword hides the password in a URL or a key=value text. In doubt it hides more: everything up to the last @,
// and an unclosed quote up to the end.
func maskPassword(dsn string) string {
	inURL := regexp.MustCompile(`(://[^:/?@]*):.*@`)
	asKey := regexp.MustCompile(`(?i)((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&]+)`)
	return asKey.ReplaceAllString(inURL.ReplaceAllString(dsn, "$1:"+mask+"@"), "${1}"+mask)
}
