package config

import (
	"maps"
	"slices"
	"strings"
)

// profilesKey is the key of the file under which each profile is a section with settings of its own.
const profilesKey = "profiles"

// Profiles lists the names that the configuration file knows, in order.
func Profiles(src Source) []string {
	l := newLoader(src)
	l.readFile()
	return l.profileNames()
}

func (l *loader) profileNames() []string {
	return slices.Sorted(maps.Keys(l.file.GetStringMap(profilesKey)))
}

// chooseProfile takes the section that was asked for.
func (l *loader) chooseProfile() {
	if l.Profile == "" {
		return
	}
	known := l.profileNames()
	name := strings.ToLower(l.Profile) // as keys are
	switch {
	case len(known) == 0:
		l.addProblem("profile %s: the configuration file has no %s", l.Profile, profilesKey)
	case !slices.Contains(known, name):
		l.addProblem("profile %s: not in the configuration file; there are: %s", l.Profile, strings.Join(known, ", "))
	default:
		settings := l.file.GetStringMap(profilesKey + "." + name)
		if err := l.profile.MergeConfigMap(settings); err != nil {
			l.addProblem("profile %s: %v", l.Profile, err)
		}
	}
}
