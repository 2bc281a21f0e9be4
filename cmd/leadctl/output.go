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

func formats() []string {
	return []string{string(formatTable), string(formatJSON), string(formatYAML), string(formatCSV)}
}

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value; help shows it in place of the value.
func (f *format) Type() string { return strings.Join(formats(), "|") }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	for _, known := range formats() {
		if s == known {
			*f = format(s)
			return nil
		}
	}
	return fmt.Errorf("want one of %s", f.Type())
}

// reads gives a command that prints results its -o flag.
func (a *app) reads(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().VarP(&a.format, "output", "o", "how to print the result")
	complete := cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err)
	}
	return cmd
}

// print writes a command's result to stdout as -o says.
func (a *app) print(result any) error { return render(a.stdout, a.format, result) }

// render writes result, a struct or a slice of structs with json tags, to w. The tags name the columns.
func render(w io.Writer, f format, result any) error {
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
	blockStyle(&doc)
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	return encoder.Encode(&doc)
}

func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// warn prints remarks that change nothing about the result.
func (a *app) warn(remarks []string) {
	for _, r := range remarks {
		fmt.Fprintln(a.stderr, a.style.dim("warning:"), printable(r))
	}
}

// printUnless prints a result unless there is none to print.
func (a *app) printUnless(err error, result any) error {
	if err != nil {
		return nil
	}
	return a.print(result)
}

// say tells a person something beside the result.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.stderr, a.style.dim(printable(fmt.Sprintf(format, args...))))
}
