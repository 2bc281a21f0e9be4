package config

import (
	"maps"
	"slices"
	"strings"
)

// profilesKey is the key in the file whose sections are the profiles.
const profilesKey = "profiles"

// Profiles returns the names of the profiles in the configuration file, sorted.
func Profiles(src Source) []string {
	l := newLoader(src)
	l.readFile()
	return l.profileNames()
}

func (l *loader) profileNames() []string {
	return slices.Sorted(maps.Keys(l.file.GetStringMap(profilesKey)))
}

// chooseProfile loads the settings of the chosen profile.
func (l *loader) chooseProfile() {
	if l.Profile == "" {
		return
	}
	known := l.profileNames()
	name := strings.ToLower(l.Profile) // viper's keys are in lower case
	switch {
	case len(known) == 0:
		l.addProblem("profile %s: the configuration file has no %s", l.Profile, profilesKey)
	case !slices.Contains(known, name):
		l.addProblem("profile %s: not in the configuration file, which has %s", l.Profile, strings.Join(known, ", "))
	default:
		settings := l.file.GetStringMap(profilesKey + "." + name)
		if err := l.profile.MergeConfigMap(settings); err != nil {
			l.addProblem("profile %s: %v", l.Profile, err)
		}
	}
}
