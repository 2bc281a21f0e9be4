package config

import (
	"cmp"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// Setting describes one setting, as the tags of Config and docs define it.
type Setting struct {
	Key     string   // in leadctl.yaml, including groups: database.dsn
	Env     []string // environment variables; the first that is set counts
	Flag    string   // "" if there is no flag; a secret has none
	Default string
	Secret  string // "", "all" or "password"
	Doc     string
	Group   string // the doc tag of the group; "" for a setting outside a group

	check string
	index []int // of the field in Config, for reflect
}

// Settings returns all settings in the order of the struct's fields.
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
		Secret: f.Tag.Get("secret"), Doc: cmp.Or(docs[key], f.Tag.Get("doc")), check: f.Tag.Get("check"),
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

// AddFlags defines in fs the flags of the settings with these keys. Load reads them from Source.Flags. AddFlags panics
// if a key is unknown or its setting has no flag.
func AddFlags(fs *pflag.FlagSet, keys ...string) {
	for _, key := range keys {
		s := settingByKey(key)
		if s.Flag == "" {
			panic("config: setting " + key + " has no flag")
		}
		fs.String(s.Flag, s.Default, strings.TrimSuffix(s.Doc, "."))
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
