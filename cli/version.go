package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what the Go tool wrote into the binary.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision, RFC 3339
	Modified bool   `json:"modified"`       // built from files that are no revision
	Go       string `json:"go"`
}

func readVersion() version {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version{}
	}
	v := version{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func newVersion(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "version", Args: s.noArgs, Example: "  releve version --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			v := readVersion()
			if s.output == "json" {
				return printJSON(c, v)
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "releve", v.Version, v.Go)
			return err
		},
	}
}
