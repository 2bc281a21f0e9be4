package odootest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// fault is an error in the form of Odoo's XML-RPC faults. JSON-2 derives a status from the code.
type fault struct {
	code int
	text string
}

// Error implements error.
func (f *fault) Error() string { return f.text }

// pythonException returns fault code 1: a traceback whose last line names the Python exception.
func pythonException(format string, args ...any) error {
	return &fault{1, "Traceback (most recent call last):\n  File \"odoo/http.py\", line 1, in dispatch\n" +
		fmt.Sprintf(format, args...) + "\n"}
}

// userError returns fault code 2.
func userError(format string, args ...any) error { return &fault{2, fmt.Sprintf(format, args...)} }

// accessDenied returns fault code 3, which has no details.
func accessDenied() error { return &fault{3, "Access Denied"} }

type xmlCall struct {
	Method string     `xml:"methodName"`
	Params []xmlValue `xml:"params>param>value"`
}

type xmlValue struct {
	Text    string     `xml:",chardata"`
	String  *string    `xml:"string"`
	Int     *string    `xml:"int"`
	I4      *string    `xml:"i4"`
	I8      *string    `xml:"i8"`
	Boolean *string    `xml:"boolean"`
	Double  *string    `xml:"double"`
	Base64  *string    `xml:"base64"`
	Nil     *struct{}  `xml:"nil"`
	Array   *xmlArray  `xml:"array"`
	Struct  *xmlStruct `xml:"struct"`
}

type xmlArray struct {
	Values []xmlValue `xml:"data>value"`
}

type xmlStruct struct {
	Members []struct {
		Name  string   `xml:"name"`
		Value xmlValue `xml:"value"`
	} `xml:"member"`
}

// decodeCall reads one method call. Values become int64, float64, bool, string, []any or map[string]any.
func decodeCall(r io.Reader) (method string, args []any, err error) {
	var call xmlCall
	if err := xml.NewDecoder(r).Decode(&call); err != nil {
		return "", nil, pythonException("xml.parsers.expat.ExpatError: %v", err)
	}
	args = make([]any, len(call.Params))
	for i, p := range call.Params {
		if args[i], err = p.decodeValue(); err != nil {
			return "", nil, pythonException("ValueError: %v", err)
		}
	}
	return call.Method, args, nil
}

func (v xmlValue) decodeValue() (any, error) {
	for _, whole := range []*string{v.Int, v.I4, v.I8} {
		if whole != nil {
			return strconv.ParseInt(strings.TrimSpace(*whole), 10, 64)
		}
	}
	switch {
	case v.String != nil:
		return *v.String, nil
	case v.Boolean != nil:
		return *v.Boolean == "1", nil
	case v.Double != nil:
		return strconv.ParseFloat(strings.TrimSpace(*v.Double), 64)
	case v.Base64 != nil:
		return *v.Base64, nil
	case v.Nil != nil:
		return false, nil
	case v.Array != nil:
		return v.Array.decodeArray()
	case v.Struct != nil:
		return v.Struct.decodeStruct()
	}
	return v.Text, nil
}

func (a *xmlArray) decodeArray() (any, error) {
	out := make([]any, len(a.Values))
	for i, e := range a.Values {
		var err error
		if out[i], err = e.decodeValue(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *xmlStruct) decodeStruct() (any, error) {
	out := make(map[string]any, len(s.Members))
	for _, m := range s.Members {
		var err error
		if out[m.Name], err = m.Value.decodeValue(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// encodeAnswer writes a result. As in Odoo, a method that returned nothing is a fault although it was carried out.
func encodeAnswer(w io.Writer, v any) {
	if v == nil {
		encodeFault(w, pythonException("TypeError: cannot marshal None unless allow_none is enabled"))
		return
	}
	var b strings.Builder
	encodeValue(&b, v)
	fmt.Fprintf(w, "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n%s</param>\n</params>\n"+
		"</methodResponse>\n", b.String())
}

func encodeFault(w io.Writer, err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{1, err.Error()}
	}
	var b strings.Builder
	encodeValue(&b, map[string]any{"faultCode": f.code, "faultString": f.text})
	fmt.Fprintf(w, "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n%s</fault>\n</methodResponse>\n", b.String())
}

func encodeValue(b *strings.Builder, v any) {
	b.WriteString("<value>")
	switch v := v.(type) {
	case bool:
		fmt.Fprintf(b, "<boolean>%d</boolean>", map[bool]int{true: 1}[v])
	case int, int64:
		fmt.Fprintf(b, "<int>%d</int>", v)
	case float64:
		fmt.Fprintf(b, "<double>%s</double>", strconv.FormatFloat(v, 'g', -1, 64))
	case string:
		b.WriteString("<string>")
		_ = xml.EscapeText(b, []byte(v))
		b.WriteString("</string>")
	case []any:
		b.WriteString("<array><data>\n")
		for _, e := range v {
			encodeValue(b, e)
		}
		b.WriteString("</data></array>")
	case map[string]any:
		b.WriteString("<struct>\n")
		for _, k := range sortedKeys(v) {
			fmt.Fprintf(b, "<member>\n<name>%s</name>\n", k)
			encodeValue(b, v[k])
			b.WriteString("</member>\n")
		}
		b.WriteString("</struct>")
	default:
		b.WriteString("<nil/>")
	}
	b.WriteString("</value>\n")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
