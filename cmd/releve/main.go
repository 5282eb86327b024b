// Command releve is one server of a site, and its operator's command line.
package main

import (
	"os"

	"releve/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr)) }
