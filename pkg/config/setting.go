package config

import (
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// Setting is one line of the table that Config's tags are.
type Setting struct {
	Key     string   // in leadctl.yaml, groups and dots included: database.dsn
	Env     []string // names in order of strength
	Flag    string   // "" for what has none; never set for a secret
	Default string
	Secret  string // "", "all" or "password"
	Doc     string
	Group   string // the group's doc; "" for a setting of its own

	check string
	index []int // the field's place in Config
}

// Settings lists every setting in the order of the struct.
func Settings() []Setting {
	return settingsOf(reflect.TypeFor[Config](), Setting{})
}

func settingsOf(t reflect.Type, parent Setting) []Setting {
	var out []Setting
	for i := range t.NumField() {
		f := t.Field(i)
		key, ok := f.Tag.Lookup("key")
		if !ok {
			continue
		}
		s := settingAt(f, joinKey(parent.Key, key), append(parent.index[:len(parent.index):len(parent.index)], i))
		if f.Type.Kind() == reflect.Struct {
			out = append(out, settingsOf(f.Type, s)...)
			continue
		}
		s.Group = parent.Doc
		out = append(out, s)
	}
	return out
}

func settingAt(f reflect.StructField, key string, index []int) Setting {
	s := Setting{
		Key: key, index: index, Flag: f.Tag.Get("flag"), Default: f.Tag.Get("default"),
		Secret: f.Tag.Get("secret"), Doc: f.Tag.Get("doc"), check: f.Tag.Get("check"),
		Env: []string{"LEADCTL_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))},
	}
	if names := f.Tag.Get("env"); names != "" {
		s.Env = strings.Split(names, ",")
	}
	return s
}

func joinKey(group, key string) string {
	if group == "" {
		return key
	}
	return group + "." + key
}

// AddFlags defines the flags of the settings named by keys, with the table's words. Load reads them when it is given fs.
// An unknown key, or one without a flag, is a programming error and panics.
func AddFlags(fs *pflag.FlagSet, keys ...string) {
	for _, key := range keys {
		s := settingByKey(key)
		if s.Flag == "" {
			panic("config: no flag for " + key)
		}
		fs.String(s.Flag, s.Default, s.Doc)
	}
}

func settingByKey(key string) Setting {
	for _, s := range Settings() {
		if s.Key == key {
			return s
		}
	}
	return Setting{}
}
