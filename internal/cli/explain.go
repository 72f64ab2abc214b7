package cli

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/advise"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/proxyconfig"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/xds"
)

// explainFlags are the choices of explain.
type explainFlags struct {
	input         inputFlags
	listen        listenFlags
	adminPort     int
	output, color string

	origin, method, url, mode, redirect string
	headers                             []string
	credentials                         string
	fetch, curl, har                    string
	steps                               bool
}

func (p *program) explainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain [PATH...]",
		Short: "Tell what becomes of a browser's request, and why",
		Long: `explain plays a call of fetch() against a configuration: which requests the
browser sends, which route each takes, what the gateway answers, and what the
browser makes of it, by the standard and as browsers do today, in the words of
Chrome's console. It names the line that decides, and the smallest change that
would allow a call that is blocked.

The call is given by flags, or as people have it at hand: a piece of JavaScript
with fetch(), a curl line, a HAR file. Each may be @FILE, - is standard input.
Flags go before what is read there.

The configuration is read as serve reads it; without a path, it is that of the
instance on this machine. The services behind the gateway are not asked: they are
taken to answer 200 without a word of CORS, and to speak what the configuration
says. Where that is HTTP/2, explain tells which line says so, and how the request
ends at a service that speaks HTTP/1.1 alone.

It exits with 0 if the page gets its answer, with 1 if not.`,
		Example: `  crossgate explain config/ --origin https://app.example.com \
    --method PUT --header content-type=application/json --credentials include \
    --url https://api.example.com/cart

  crossgate explain --origin https://app.example.com --fetch 'fetch("https://api.example.com/", {credentials: "include"})'
  crossgate explain config/ --curl "curl -i -X OPTIONS -H 'Origin: https://app.example.com' https://api.example.com/"
  crossgate explain config/ --har app.example.com.har --url /cart -o json`,
	}
	fs := cmd.Flags()
	f.input.register(fs)
	f.listen.ports.Bind = "127.0.0.1"
	fs.IntVar(&f.listen.ports.Offset, "port-offset", 0, "the --port-offset `number` of the gateway")
	fs.BoolVar(&f.listen.devCerts, "dev-certs", false, "make the certificates that are not in the files")
	fs.IntVar(&f.adminPort, "proxy-admin-port", adminPort, "`port` of the instance's admin interface, before --port-offset")
	fs.StringVar(&f.origin, "origin", "", "`origin` of the page, or its URL; null for a sandboxed frame")
	fs.StringVar(&f.method, "method", "", "the call's `method`, as the page writes it (default GET)")
	fs.StringVar(&f.url, "url", "", "`URL` that the page asks for; with --har a part of it")
	fs.StringArrayVar(&f.headers, "header", nil, "a header that the page sets, `NAME=VALUE` or NAME; may be repeated")
	fs.StringVar(&f.credentials, "credentials", "", "the call's credentials `mode`: omit, same-origin or include (default same-origin)")
	fs.StringVar(&f.mode, "mode", "", "the call's `mode`: cors, no-cors or same-origin (default cors)")
	fs.StringVar(&f.redirect, "redirect", "", "the call's redirect `mode`: follow, error or manual (default follow)")
	completeWith(cmd, "credentials", "omit", "same-origin", "include")
	completeWith(cmd, "mode", "cors", "no-cors", "same-origin")
	completeWith(cmd, "redirect", "follow", "error", "manual")
	fs.StringVar(&f.fetch, "fetch", "", "`JavaScript` with a call of fetch()")
	fs.StringVar(&f.curl, "curl", "", "a `line` with curl")
	fs.StringVar(&f.har, "har", "", "HAR `file` with the request")
	cmd.MarkFlagsMutuallyExclusive("fetch", "curl", "har")
	fs.BoolVar(&f.steps, "steps", false, "print every step of the browser, with its place in the Fetch standard")
	fs.StringVarP(&f.output, "output", "o", outputText, "output format: text or json")
	completeWith(cmd, "output", outputText, outputJSON)
	colorFlag(cmd, &f.color)
	cmd.RunE = run(func(ctx context.Context, paths []string) error { return p.explain(ctx, paths, &f) })
	return cmd
}

func (p *program) explain(ctx context.Context, paths []string, f *explainFlags) error {
	printer, err := newPrinter(p.stdout, f.output, f.color)
	if err != nil {
		return err
	}
	ask, err := p.asked(f)
	if err != nil {
		return usageError{err}
	}
	in, err := p.explained(ctx, paths, f)
	if err != nil {
		return err
	}
	e, err := advise.Explain(*in, ask)
	if err != nil {
		return err
	}
	if f.output == outputJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(e)
	} else {
		err = writeExplanation(p.stdout, e, f.steps, printer.color)
	}
	if err == nil && !e.Allowed() {
		return errFindings
	}
	return err
}

// asked reads the call.
func (p *program) asked(f *explainFlags) (*advise.Ask, error) {
	ask, err := p.pasted(f)
	if err != nil {
		return nil, err
	}
	c := &ask.Call
	if f.origin != "" {
		c.Page = f.origin
	}
	if f.method != "" {
		c.Method = f.method
	}
	if f.url != "" && f.har == "" {
		c.URL = f.url
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, "=")
		if before, after, colon := strings.Cut(h, ":"); colon && (!ok || len(before) < len(name)) {
			name, value = before, strings.TrimSpace(after)
		}
		c.Headers = append(c.Headers, fetch.Field{Name: name, Value: value})
	}
	for name, value := range map[string]string{"credentials": f.credentials, "mode": f.mode, "redirect": f.redirect} {
		if value == "" {
			continue
		}
		if err := ask.SetOption(name, value); err != nil {
			return nil, err
		}
	}
	if err := ask.Complete(); err != nil {
		return nil, err
	}
	return ask, nil
}

// pasted reads what people have at hand.
func (p *program) pasted(f *explainFlags) (*advise.Ask, error) {
	switch {
	case f.har != "":
		data, err := p.readFile(f.har)
		if err != nil {
			return nil, err
		}
		return advise.ReadHAR(data, f.url)
	case f.fetch != "":
		text, err := p.textOf(f.fetch)
		if err != nil {
			return nil, err
		}
		return advise.ReadFetch(text)
	case f.curl != "":
		text, err := p.textOf(f.curl)
		if err != nil {
			return nil, err
		}
		return advise.ReadCurl(text)
	}
	return &advise.Ask{}, nil
}

// textOf is the value of a flag that may be @FILE, or - for standard input.
func (p *program) textOf(value string) (string, error) {
	file, ok := strings.CutPrefix(value, "@")
	if !ok && value != "-" {
		return value, nil
	}
	data, err := p.readFile(file)
	return string(data), err
}

// explained is the configuration of the paths, or of the instance on this machine.
func (p *program) explained(ctx context.Context, paths []string, f *explainFlags) (*advise.Input, error) {
	if len(paths) == 0 {
		return f.instance(ctx)
	}
	opts, err := f.input.options()
	if err != nil {
		return nil, err
	}
	if _, err := f.listen.apply(&opts); err != nil {
		return nil, err
	}
	builder := pipeline.NewBuilder(opts)
	res := builder.Build(source.Load(paths, p.stdin, f.input.parse()))
	errs, err := newPrinter(p.stderr, outputText, f.color)
	if err != nil {
		return nil, err
	}
	others := func(d diag.Diagnostic) bool { return d.Severity != diag.Error }
	if err := errs.print(slices.DeleteFunc(slices.Clone(res.Diags), others)); err != nil {
		return nil, err
	}
	if len(res.Snapshot.Listeners) == 0 {
		return nil, errNothingToServe
	}
	rebuild := func(set *resource.Set) *xds.Snapshot {
		s, _ := builder.Snapshot(set)
		return s
	}
	return &advise.Input{Snapshot: res.Snapshot, Ports: opts.Ports, Set: res.Set, Rebuild: rebuild}, nil
}

func (f *explainFlags) instance(ctx context.Context) (*advise.Input, error) {
	instance, err := instanceAt(f.adminPort, f.listen.ports.Offset)
	if err != nil {
		return nil, err
	}
	data, err := instance.ConfigDump(ctx)
	if err != nil {
		return nil, err
	}
	dump, err := proxyconfig.ParseDump(data)
	if err != nil {
		return nil, err
	}
	in := &advise.Input{Ports: f.listen.ports, ProtocolErrors: func(cluster string) (uint64, error) { return instance.ProtocolErrors(ctx, cluster) }}
	if in.Snapshot, err = dump.Snapshot(); err != nil {
		return nil, err
	}
	if len(in.Snapshot.Listeners) == 0 {
		return nil, errors.New("the instance has no listeners")
	}
	in.Positions, err = instance.Positions(ctx)
	return in, err
}
