package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildInfo is what the Go toolchain wrote into the binary.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	// Modified: the working tree had changes that are not in Revision.
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuildInfo() buildInfo {
	b := buildInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = cmp.Or(info.Main.Version, b.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (p *program) versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Example: `  crossgate version
  crossgate version -o json`,
		Args: cobra.NoArgs,
		RunE: run(func(context.Context, []string) error {
			return p.printVersion(readBuildInfo(), output)
		}),
	}
	outputFlag(cmd, &output)
	return cmd
}

func (p *program) printVersion(b buildInfo, output string) error {
	switch output {
	case outputText:
		fmt.Fprintf(p.stdout, "crossgate %s %s %s\n", b.Version, b.Go, b.Platform)
		if b.Revision != "" {
			fmt.Fprintf(p.stdout, "revision %s %s\n", b.Revision, b.Time)
		}
		return nil
	case outputJSON:
		out, err := json.MarshalIndent(b, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "%s\n", out)
		return err
	}
	return badOutput(output)
}

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", outputText, "output format: text or json")
	completeWith(cmd, "output", outputText, outputJSON)
}

func badOutput(output string) error {
	return usagef("--output %s: want text or json", output)
}

// completeWith offers values for a flag to shells.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	// The error says that the flag does not exist: tests run every command.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}
