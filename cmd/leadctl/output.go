package main

// Rules of output:
//   - Results go to stdout. Progress, logs, warnings, errors and hints go to stderr.
//   - A command that prints a result has -o table|json|yaml|csv. All four hold the same data: the table is made from
//     the JSON.
//   - A table has borders on a terminal and is aligned text elsewhere, also with TERM=dumb. NO_COLOR switches colour
//     off. On a terminal that is too narrow, each row becomes a record; --wide prints the table nevertheless.
//   - JSON is one indented value. A list is an array, also when it is empty. Names are snake_case, times RFC 3339.
//   - No command asks a question. A command that destroys data needs --yes or --confirm.
//   - An error is "leadctl: <what failed>", followed by "hint: <what to do>" when there is a remedy.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/leadctl/leadctl/pkg/fault"
)

// format is the value of --output. It implements pflag.Value, so a wrong value is a usage error.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
	formatCSV   format = "csv"
)

func formatNames() []string {
	return []string{string(formatTable), string(formatJSON), string(formatYAML), string(formatCSV)}
}

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value. Help shows it as the flag's value.
func (f *format) Type() string { return strings.Join(formatNames(), "|") }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	for _, known := range formatNames() {
		if s == known {
			*f = format(s)
			return nil
		}
	}
	return fmt.Errorf("want one of %s", f.Type())
}

// addOutputFlag adds --output to a command that prints a result, and returns the command.
func (a *app) addOutputFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().VarP(&a.format, "output", "o", "output format")
	cmd.Flags().BoolVarP(&a.wide, "wide", "w", false, "print a table that is wider than the terminal")
	complete := cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err)
	}
	return cmd
}

// printResult writes result to stdout in the format of --output.
func (a *app) printResult(result any) error { return renderResult(a.stdout, a.format, a.wide, result) }

// renderResult writes result to w. It is a struct or a slice of structs with json tags; the tags name the columns.
func renderResult(w io.Writer, f format, wide bool, result any) error {
	var out bytes.Buffer
	if err := renderTo(&out, w, f, wide, result); err != nil {
		return fault.New(fault.Internal, "result as %s: %w", f, err)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func renderTo(out *bytes.Buffer, screen io.Writer, f format, wide bool, result any) error {
	if v := reflect.ValueOf(result); v.Kind() == reflect.Slice && v.IsNil() {
		result = reflect.MakeSlice(v.Type(), 0, 0).Interface()
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if f == formatJSON {
		encoder.SetIndent("", "  ")
		return encoder.Encode(result)
	}
	if err := encoder.Encode(result); err != nil {
		return err
	}
	encoded := bytes.Clone(out.Bytes())
	out.Reset()
	if f == formatYAML {
		return writeYAML(out, encoded)
	}
	g, err := gridOf(reflect.TypeOf(result), encoded)
	switch {
	case err != nil:
		return err
	case f == formatCSV:
		return g.writeCSV(out)
	}
	return g.writeTable(out, screen, wide)
}

// writeYAML converts JSON to block-style YAML. JSON is valid YAML, so the order of the names is kept.
func writeYAML(out io.Writer, encoded []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(encoded, &doc); err != nil {
		return err
	}
	setBlockStyle(&doc)
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	return encoder.Encode(&doc)
}

func setBlockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		setBlockStyle(c)
	}
}

// printWarnings prints warnings on stderr.
func (a *app) printWarnings(remarks []string) {
	for _, r := range remarks {
		fmt.Fprintln(a.stderr, a.style.dim("warning:"), stripControls(r))
	}
}

// printResultUnless prints result, unless err says that there is none.
func (a *app) printResultUnless(err error, result any) error {
	if err != nil {
		return nil
	}
	return a.printResult(result)
}

// printNotice prints a message on stderr that is not part of the result.
func (a *app) printNotice(format string, args ...any) {
	fmt.Fprintln(a.stderr, a.style.dim(stripControls(fmt.Sprintf(format, args...))))
}
