package config

import "regexp"

// Shown is a setting with its value, for output.
type Shown struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // as it is in its origin, with secrets masked
	Origin string `json:"origin"` // "--listen", "profile staging", "env POSTGRES_DSN", "file leadctl.yaml" or "default"
}

// Show returns all settings, including those with a wrong value.
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

// maskPassword replaces the password in a URL or in keyword=value pairs. If the end of the password is unclear, it
// replaces more: everything up to the last @, or from an unclosed quote to the end.
func maskPassword(dsn string) string {
	inURL := regexp.MustCompile(`(://[^:/?@]*):.*@`)
	asKey := regexp.MustCompile(`(?i)((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&]+)`)
	return asKey.ReplaceAllString(inURL.ReplaceAllString(dsn, "$1:"+mask+"@"), "${1}"+mask)
}
