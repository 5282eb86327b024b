package cli

import "github.com/spf13/cobra"

func newDemo(*settings) *cobra.Command { return notBuilt("demo") }
