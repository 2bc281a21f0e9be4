package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/leadctl/leadctl/pkg/fault"
)

// FileName is the name of the configuration file.
const FileName = "leadctl.yaml"

// Source says where Load reads settings. The zero Source means the environment, the default folders and no flags.
type Source struct {
	File   string                      // the file to read, which must exist; "" means the first FileName in Dirs
	Dirs   []string                    // folders that may contain FileName; nil means SearchDirs
	Flags  *pflag.FlagSet              // flags that AddFlags has defined; other flags are ignored
	Lookup func(string) (string, bool) // reads an environment variable; nil means os.LookupEnv
	// Profile is the section of the file's profiles to use; "" means LEADCTL_PROFILE, or no profile. A profile
	// overrides the environment, so that a variable that is set in the shell does not select another database.
	Profile string
}

// SearchDirs returns the folders that may contain FileName, in order of precedence.
func SearchDirs() []string {
	dirs := []string{"."}
	if user, err := os.UserConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(user, "leadctl"))
	}
	return append(dirs, "/etc/leadctl")
}

// loadedSetting is a setting with its value.
type loadedSetting struct {
	Setting
	value  any    // as it is in its origin: a string from flags and environment, any type from the file
	origin string // "--listen", "profile staging", "env POSTGRES_DSN", "file leadctl.yaml" or "default"
}

// Load returns the settings that src holds. Its error is one Invalid fault with all problems, which names each setting
// as its origin does. Load returns the Config also with an error, for `leadctl config show`. An empty environment
// variable counts as unset.
func Load(src Source) (Config, error) {
	l := newLoader(src)
	l.readFile()
	l.chooseProfile()
	for _, s := range Settings() {
		l.config.settings = append(l.config.settings, l.resolveSetting(s))
	}
	l.decodeValues()
	return l.config, l.config.problemsFault(fault.Invalid)
}

func newLoader(src Source) *loader {
	if src.Lookup == nil {
		src.Lookup = os.LookupEnv
	}
	if src.Profile == "" {
		src.Profile, _ = src.Lookup("LEADCTL_PROFILE")
	}
	return &loader{Source: src, viper: viper.New(), file: viper.New(), profile: viper.New()}
}

type loader struct {
	Source
	viper   *viper.Viper // all origins together
	file    *viper.Viper // the file only
	profile *viper.Viper // the chosen profile only
	config  Config
}

func (l *loader) addProblem(format string, args ...any) {
	l.config.problems = append(l.config.problems, fmt.Sprintf(format, args...))
}

// readFile reads the configuration file, if there is one, and reports its unknown keys.
func (l *loader) readFile() {
	path, err := l.findFile()
	if err == nil && path == "" {
		return
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err == nil {
		l.file.SetConfigFile(path)
		l.file.SetConfigType("yaml")
		err = l.file.ReadConfig(bytes.NewReader(text))
	}
	if err != nil {
		l.addProblem("%v", err)
		return
	}
	l.reportCut(path, text)
	l.reportUnknown(path)
	if err := l.viper.MergeConfigMap(l.file.AllSettings()); err != nil {
		l.addProblem("%s: %v", path, err)
	}
}

// reportCut reports a file that may be only the beginning of what was written. A file that ends with the line "...",
// YAML's mark for the end of a document, is complete. A file that begins with "---" must have that mark.
func (l *loader) reportCut(path string, text []byte) {
	lines := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	first, last := strings.TrimRight(lines[0], " \r"), strings.TrimRight(lines[len(lines)-1], " \r")
	switch {
	case last == endMark:
		return
	case first == "---":
		l.addProblem("%s: begins with --- and does not end with the line %s: it may be cut short", path, endMark)
	case len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")):
		l.addProblem("%s: the last line has no line break: it may be cut short", path)
	}
	l.config.unmarked = path
}

const endMark = "..."

// findFile returns the path of the configuration file, or "" if there is none. It does not use viper's search, which
// would also find a file named leadctl: the program itself.
func (l *loader) findFile() (string, error) {
	if l.File != "" {
		return l.File, nil
	}
	dirs := l.Dirs
	if dirs == nil {
		dirs = SearchDirs()
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, FileName)
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	return "", nil
}

// reportUnknown reports the keys of the file that are no settings, and settings without a value. It accepts a group
// without a value, whose settings are commented out.
func (l *loader) reportUnknown(path string) {
	var known []string
	for _, s := range Settings() {
		known = append(known, s.Key)
		if s.Secret != "" {
			known = append(known, s.Key+"_file")
		}
	}
	for _, key := range l.file.AllKeys() {
		setting := key
		if rest, ok := strings.CutPrefix(key, profilesKey+"."); ok {
			_, setting, _ = strings.Cut(rest, ".")
		}
		isSet := l.file.Get(key) != nil
		switch {
		case slices.Contains(known, setting) && !isSet:
			l.addProblem("%s: %s has no value", path, key)
		case !slices.Contains(known, setting) && isSet:
			l.addProblem("%s: unknown key %s; did you mean %s?", path, key, nearestKey(setting, known))
		}
	}
}

// resolveSetting returns the setting with its value from the origin that has precedence.
func (l *loader) resolveSetting(s Setting) loadedSetting {
	origin := "default"
	l.viper.SetDefault(s.Key, s.Default)
	if l.inFile(l.file, s) {
		origin = "file " + l.file.ConfigFileUsed()
	}
	if value, name := l.fromEnv(s); name != "" {
		l.viper.Set(s.Key, value)
		origin = "env " + name
	}
	if l.inFile(l.profile, s) {
		if l.profile.InConfig(s.Key) {
			l.viper.Set(s.Key, l.profile.Get(s.Key))
		}
		origin = "profile " + l.Profile
	}
	if value, ok := l.fromFlag(s); ok {
		l.viper.Set(s.Key, value)
		origin = "--" + s.Flag
	}
	return loadedSetting{Setting: s, value: l.viper.Get(s.Key), origin: origin}
}

// inFile reports whether the file, or the profile, sets s. If it sets <key>_file, inFile reads the value from that
// file.
func (l *loader) inFile(file *viper.Viper, s Setting) bool {
	at := file.GetString(s.Key + "_file")
	switch {
	case s.Secret == "" || at == "":
		return file.InConfig(s.Key)
	case file.InConfig(s.Key):
		l.addProblem("%s and %[1]s_file: both are set", s.Key)
	default:
		l.viper.Set(s.Key, l.readSecret(s.Key+"_file", at))
	}
	return true
}

// fromEnv returns the value of the setting's first environment variable that is set, and the variable's name.
func (l *loader) fromEnv(s Setting) (value, name string) {
	for _, name := range s.Env {
		value, _ := l.Lookup(name)
		var file string
		if s.Secret != "" {
			file, _ = l.Lookup(name + "_FILE")
		}
		switch {
		case value != "" && file != "":
			l.addProblem("%s and %[1]s_FILE: both are set", name)
			return value, name
		case value != "":
			return value, name
		case file != "":
			return l.readSecret(name+"_FILE", file), name + "_FILE"
		}
	}
	return "", ""
}

func (l *loader) readSecret(setting, path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		l.addProblem("%s: %v", setting, err)
	}
	return strings.TrimRight(string(content), "\r\n")
}

func (l *loader) fromFlag(s Setting) (string, bool) {
	if l.Flags == nil || s.Flag == "" || !l.Flags.Changed(s.Flag) {
		return "", false
	}
	return l.Flags.Lookup(s.Flag).Value.String(), true
}

// decodeValues sets the fields of the Config. It reports a value that is not valid for its field.
func (l *loader) decodeValues() {
	into := reflect.ValueOf(&l.config).Elem()
	for _, s := range l.config.settings {
		err := parseValue(into.FieldByIndex(s.index).Addr().Interface(), s.value)
		if err == nil {
			err = runCheck(s.check, s.value)
		}
		if err != nil {
			l.addProblem("%s", s.problemText(err))
		}
	}
}

// problemText returns the message for a wrong value. It names the setting as its origin does, and shows the value
// unless that is secret.
func (s loadedSetting) problemText(err error) string {
	name := strings.TrimPrefix(s.origin, "env ")
	if path, ok := strings.CutPrefix(s.origin, "file "); ok {
		name = path + ": " + s.Key
	}
	if strings.HasPrefix(s.origin, "profile ") {
		name = s.origin + ": " + s.Key
	}
	if s.Secret != "" {
		return fmt.Sprintf("%s: %v", name, err)
	}
	return fmt.Sprintf("%s %q: %v", name, valueText(s.value), err)
}

// problemsFault returns all problems as one fault of kind k, or nil if there are none.
func (c Config) problemsFault(k fault.Kind) error {
	if len(c.problems) == 0 {
		return nil
	}
	return fault.New(k, "configuration: %s", strings.Join(c.problems, "\n  and ")).
		WithHint("`leadctl config show` prints all settings with their origins")
}
