// Command releve is one server of a site, and its operator's command line.
package main

import (
	"os"
	"runtime"

	"releve/cli"
)

func main() {
	// A command begins on the process's first thread, which gives up root for the others.
	runtime.LockOSThread()
	os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr))
}
