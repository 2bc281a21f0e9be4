package demo

import (
	"slices"
	"strings"

	"github.com/leadctl/leadctl/pkg/config"
)

// defaultConfig is the configuration of a machine where nothing is configured.
func defaultConfig() (config.Config, error) {
	return config.Load(config.Source{Dirs: []string{}, Lookup: func(string) (string, bool) { return "", false }})
}

// usedSettings are the settings of the caller that the demo command uses. They name no system that holds data.
func usedSettings() []string { return []string{"api.listen", "log.level", "log.format"} }

// Ignored lists the settings of cfg that are set and that the demo does not use, by the name of the environment
// variable or the key in the configuration file. It shows no value.
func Ignored(cfg config.Config) (names []string) {
	for _, s := range cfg.Show() {
		switch variable, fromEnv := strings.CutPrefix(s.Origin, "env "); {
		case s.Origin == "default" || slices.Contains(usedSettings(), s.Key):
		case fromEnv:
			names = append(names, variable)
		default:
			names = append(names, s.Key+" ("+s.Origin+")")
		}
	}
	return names
}
