package main

// How leadctl talks:
//   - Results go to stdout, everything else (progress, logs, warnings, errors, hints) to stderr.
//   - What reads takes -o table|json|yaml|csv. All four hold the same data: the table is made from the JSON.
//   - A table is drawn on a terminal and is plain aligned text elsewhere. NO_COLOR and TERM=dumb switch colour off.
//   - JSON is one value, indented; a list is an array, also when it is empty. Names are snake_case, times RFC 3339.
//   - Nothing asks questions when stdin is no terminal: a command that would ask wants --yes.
//   - An error is "leadctl: <what>" and, when something can be done, "hint: <what to do>".

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

// format is what -o chooses. It is a pflag.Value, so that a wrong one is a usage error.
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

// Type implements pflag.Value; help shows it in place of the value.
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

// addOutputFlag gives a command that prints results its -o flag.
func (a *app) addOutputFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().VarP(&a.format, "output", "o", "how to print the result")
	complete := cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err)
	}
	return cmd
}

// printResult writes a command's result to stdout as -o says.
func (a *app) printResult(result any) error { return renderResult(a.stdout, a.format, result) }

// renderResult writes result, a struct or a slice of structs with json tags, to w. The tags name the columns.
func renderResult(w io.Writer, f format, result any) error {
	var out bytes.Buffer
	if err := renderTo(&out, w, f, result); err != nil {
		return fault.New(fault.Internal, "result as %s: %w", f, err)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func renderTo(out *bytes.Buffer, screen io.Writer, f format, result any) error {
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
	return g.writeTable(out, screen)
}

// writeYAML relies on JSON being YAML: it keeps the order of names and drops JSON's brackets and quotes.
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

// printWarnings prints remarks that change nothing about the result.
func (a *app) printWarnings(remarks []string) {
	for _, r := range remarks {
		fmt.Fprintln(a.stderr, a.style.dim("warning:"), stripControls(r))
	}
}

// printResultUnless prints a result unless there is none to print.
func (a *app) printResultUnless(err error, result any) error {
	if err != nil {
		return nil
	}
	return a.printResult(result)
}

// printNotice tells a person something beside the result.
func (a *app) printNotice(format string, args ...any) {
	fmt.Fprintln(a.stderr, a.style.dim(stripControls(fmt.Sprintf(format, args...))))
}
