package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestShapes runs the scripts in testdata/shapes. They run every command that prints JSON. `shape NAME` compares the
// fields and types of the output with testdata/shapes/NAME.golden, because a field that disappears or changes its type
// breaks scripts and programs that read the JSON. -update rewrites the files.
func TestShapes(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("testdata/shapes")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/shapes", RequireExplicitExec: true, RequireUniqueNames: true, Setup: operateSetup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": exitCode,
			"shape": func(ts *testscript.TestScript, _ bool, args []string) {
				have := shapeOf(ts.ReadFile("stdout"))
				file := filepath.Join(dir, args[0]+".golden")
				if *update {
					ts.Check(os.WriteFile(file, []byte(have), 0o644))
					return
				}
				want, err := os.ReadFile(file)
				ts.Check(err)
				if have != string(want) {
					ts.Fatalf("%s: the shape differs from %s:\n%s", args[0], file, have)
				}
			}},
	})
}

// shapeOf returns a line for each field of a JSON text: its path and the types of its values.
func shapeOf(text string) string {
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Sprintf("no JSON: %v\n", err)
	}
	types := map[string][]string{}
	collectTypes(types, "", value)
	var lines []string
	for path, list := range types {
		slices.Sort(list)
		lines = append(lines, strings.TrimPrefix(path, ".")+" "+strings.Join(slices.Compact(list), "|"))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func collectTypes(types map[string][]string, path string, value any) {
	kind := "null"
	switch v := value.(type) {
	case map[string]any:
		kind = "object"
		for name, field := range v {
			collectTypes(types, path+"."+name, field)
		}
	case []any:
		kind = "array"
		for _, item := range v {
			collectTypes(types, path+"[]", item)
		}
	case string:
		kind = "string"
	case float64:
		kind = "number"
	case bool:
		kind = "boolean"
	}
	types[path] = append(types[path], kind)
}

// shapedElsewhere lists commands that need a real Keycloak or a browser. Their live tests check the JSON.
func shapedElsewhere() []string {
	return []string{"sso-login", "sso-keycloak-assign", "sso-keycloak-setup", "odoo-sso-verify"}
}

// TestEveryShapeIsOnRecord checks that each command with --output has a golden file.
func TestEveryShapeIsOnRecord(t *testing.T) {
	t.Parallel()
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		name := strings.ReplaceAll(strings.TrimPrefix(cmd.CommandPath(), "leadctl "), " ", "-")
		if cmd.Flags().Lookup("output") == nil || slices.Contains(shapedElsewhere(), name) {
			return
		}
		_, err := os.Stat(filepath.Join("testdata/shapes", name+".golden"))
		require.NoError(
			t,
			err,
			"`leadctl %s -o json` has no golden file: add it to a script in testdata/shapes and run with -update",
			name,
		)
	}
	visit(newRoot(newApp(nil, nil, nil)))
}
